// The health document as JSON, text and line (contract §5): pure functions of a snapshot.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/verdict/judge.hpp"
#include "agent/verdict/snapshot.hpp"

namespace vitals {

/// Who we are, from FLY_* variables; all may be empty.
struct Identity {
  std::string release_id;   // FLY_IMAGE_REF
  std::string service_id;   // FLY_APP_NAME/FLY_MACHINE_ID
  std::string description;  // "my-app in sin"
  std::string app;          // FLY_APP_NAME
  std::string region;       // FLY_REGION
  std::string machine;      // FLY_MACHINE_ID
};

/// Which question is answered; decides `status`, `output` and which checks are listed.
enum class View { health, ready, live, startup, check };

struct ReportRequest {
  View view = View::health;
  std::string_view check;  // for View::check; must exist
  bool details = true;     // false: {"status":"fail"} and "fail"
};

/// 200 or 503, before ?fail= has its say; `status` is what the document shows.
struct ReportStatus {
  Status status = Status::pass;
  bool ok = true;
};

[[nodiscard]] ReportStatus report_status(const Snapshot& snapshot, const Judgement& judgement,
                                         const ReportRequest& request);
[[nodiscard]] std::string render_json(const Snapshot& snapshot, const Judgement& judgement,
                                      const ReportRequest& request, const Identity& identity,
                                      Instant now);
/// At most 4 KiB; ends with a newline.
[[nodiscard]] std::string render_text(const Snapshot& snapshot, const Judgement& judgement,
                                      const ReportRequest& request, Instant now);
/// One line, at most 4 KiB, ends with a newline.
[[nodiscard]] std::string render_line(const Snapshot& snapshot, const Judgement& judgement,
                                      const ReportRequest& request, Instant now);

}  // namespace vitals
