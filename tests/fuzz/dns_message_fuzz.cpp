// Any bytes of a name server: an answer or none, never a crash, never an endless run.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <vitals/assert.hpp>

#include "probes/dns_message.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using vitals::dns::Type;
  if (size == 0) return 0;
  constexpr Type types[] = {Type::a,   Type::aaaa, Type::cname, Type::txt,
                            Type::srv, Type::mx,   Type::ns};
  const vitals::dns::Question question{"a.example", types[data[0] % std::size(types)]};
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  static_cast<void>(vitals::dns::decode_answer(bytes, 0x1234, question));

  // The same as the records of an answer that belongs to our question.
  auto message = vitals::dns::encode_query(0x1234, question);
  message[2] = static_cast<char>(0x81);
  message[7] = static_cast<char>(data[0] >> 3U);
  message += bytes;
  const auto answer = vitals::dns::decode_answer(message, 0x1234, question);
  if (!answer) {
    VITALS_ASSERT(answer.error() == vitals::dns::NoAnswer::malformed);
    return 0;
  }
  VITALS_ASSERT(answer.value().records.size() <= 255);
  return 0;
}
