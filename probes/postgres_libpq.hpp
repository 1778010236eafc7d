// What libpq keeps to itself and the functions it is linked against instead tell us.
#pragma once

namespace vitals {

/// The verdict (X509_V_…) on the certificate of the TLS session that libpq freed last on this
/// thread: its error text does not say whether a certificate had expired or was not trusted.
/// X509_V_OK after forget_verify_result() until the next session ends.
[[nodiscard]] long last_verify_result();
void forget_verify_result();

}  // namespace vitals
