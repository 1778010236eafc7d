// The status page: one HTML document that needs nothing beside itself (contract §5, `/`).
#pragma once

#include <string>
#include <string_view>

#include "agent/serve/report.hpp"
#include "agent/verdict/history.hpp"

namespace vitals {

/// The page never gets longer, whatever servers say and however many checks there are.
inline constexpr std::size_t page_max = 40'000;
/// Checks shown with reason, times and sparkline, worst first; the others are named with their
/// status and latency, as many as fit.
inline constexpr std::size_t page_rows_max = 16;

struct PageInput {
  const Snapshot& snapshot;
  const Judgement& judgement;
  ReportRequest request;
  const History& history;
  const Identity& identity;
  Instant now;
};

/// Without details: the verdict alone. Pure, but for the copies it takes from the history.
[[nodiscard]] std::string render_page(const PageInput& input);

/// Content-Security-Policy for it: its own style and script by their hashes, and nothing else but
/// asking for the page again.
[[nodiscard]] std::string_view page_policy();

/// What the hashes are of: the text between <style> and </style>, <script> and </script>.
[[nodiscard]] std::string_view page_style();
[[nodiscard]] std::string_view page_script();

}  // namespace vitals
