// One client's connection as messages: which bytes are the app's, which are a question for us, and
// which are refused. Pure; the loop moves the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "agent/front/framing.hpp"
#include "agent/front/question.hpp"

namespace vitals::front {

/// What to do with the first bytes of what has come.
struct Step {
  enum class Act {
    wait,     // nothing yet: bytes are missing, or it is the other side's turn
    forward,  // `size` bytes go to the other side as they are
    ask,      // `size` bytes were a question for us; the answer is next in order
    drop,     // `size` bytes are nobody's: no message may follow
    refuse,   // the conversation ends here; `why` says so to the client
  };
  Act act = Act::wait;
  std::size_t size = 0;
  std::string_view why{};  // static text
};

/// Requests go to the app one at a time: the next one is looked at when the answer to the one
/// before it is whole. So our answers stand in order, and the app can never be made to see two
/// requests where the client's side saw one: a message that could be framed in two ways ends the
/// conversation before any byte of doubt is forwarded.
class Conversation {
 public:
  /// Passes without a look.
  static constexpr std::uint64_t endless = std::numeric_limits<std::uint64_t>::max();

  /// `bytes` are all from the client that have not been forwarded, asked or dropped; never empty.
  /// While it says wait, the next call has the same bytes and perhaps more.
  [[nodiscard]] Step from_client(std::string_view bytes);
  [[nodiscard]] Step from_app(std::string_view bytes);

  /// So many bytes may pass without from_client() or from_app(); passed_*() says that they have.
  [[nodiscard]] std::uint64_t blind_up() const;
  [[nodiscard]] std::uint64_t blind_down() const;
  void passed_up(std::uint64_t bytes);
  void passed_down(std::uint64_t bytes);

  /// The app has sent its last byte: an answer without a length is whole.
  void app_ended();

  /// After Act::ask.
  [[nodiscard]] const Question& question() const { return question_; }
  /// Waits for more bytes of the client, not for the app.
  [[nodiscard]] bool wants_client() const;
  /// It is not HTTP/1.1, or not any more: bytes go both ways until the end.
  [[nodiscard]] bool tunnel() const { return up_ == Up::tunnel; }
  /// A request of the app is not answered whole.
  [[nodiscard]] bool in_flight() const { return in_flight_; }
  /// An answer of ours would be read as one: no answer of the app has begun, or the last is whole.
  [[nodiscard]] bool may_answer() const { return down_ == Down::silent || down_ == Down::head; }
  /// The first request of this connection is with the app, which has said nothing yet.
  [[nodiscard]] bool awaits_first_word() const { return in_flight_ && !app_spoke_; }
  /// Looks for the first byte of the next request.
  [[nodiscard]] bool between() const { return up_ == Up::opening || up_ == Up::head; }
  /// The status of the answer that began to pass in the last from_app(); interim ones aside.
  [[nodiscard]] std::optional<int> take_status();

 private:
  enum class Up { opening, head, body, chunks, waiting, over, tunnel };
  enum class Down { silent, head, body, chunks, until_close, whole, tunnel };

  Step open(std::string_view bytes);
  Step read_request(std::string_view bytes);
  Step begin_request(const RequestFrame& frame, std::size_t size);
  Step read_answer(std::string_view bytes);
  Step begin_answer(const ResponseFrame& frame, std::size_t size);
  void request_whole();
  void answer_whole();
  void finish_exchange();
  void become_tunnel();

  Up up_ = Up::opening;
  Down down_ = Down::silent;
  HeadFinder request_head_{LineEnds::strict};
  HeadFinder answer_head_{LineEnds::lenient};
  ChunkReader up_chunks_{ChunkReader::Strictness::request};
  ChunkReader down_chunks_{ChunkReader::Strictness::response};
  std::uint64_t up_left_ = 0;
  std::uint64_t down_left_ = 0;
  Asked asked_;
  Question question_;
  std::optional<int> status_;
  bool in_flight_ = false;
  bool app_spoke_ = false;  // also an interim answer
  bool last_ = false;
};

}  // namespace vitals::front
