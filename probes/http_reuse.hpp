// What libcurl would make anew for each TLS connection, kept between the exchanges of one check.
#pragma once

#include <memory>

namespace vitals::http {

/// The context and the sessions of one exchange. Only work is saved: libcurl sets every option of
/// the context each time, decides itself which session is used for what, and gets what it asks for.
class TlsReuse {
 public:
  TlsReuse();
  ~TlsReuse();
  TlsReuse(const TlsReuse&) = delete;
  TlsReuse& operator=(const TlsReuse&) = delete;

  /// The next connection begins from nothing.
  void forget();

  /// While it lives, what libcurl asks of OpenSSL on this thread comes to `reuse`.
  class Use {
   public:
    /// Without `keeps_context` it gets a new context, which nobody sees afterwards.
    Use(TlsReuse& reuse, bool keeps_context);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    TlsReuse& reuse_;
  };

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitals::http
