#include "ktls/statistics.hpp"

#include <doctest/doctest.h>

using namespace keysluice;
using namespace keysluice::ktls;

TEST_CASE("the counters of a 6.12 kernel") {
    const auto seen = parse_statistics(
        "TlsCurrTxSw                     \t2\n"
        "TlsCurrRxSw                     \t3\n"
        "TlsCurrTxDevice                 \t4\n"
        "TlsCurrRxDevice                 \t5\n"
        "TlsTxSw                         \t60\n"
        "TlsRxSw                         \t70\n"
        "TlsTxDevice                     \t8\n"
        "TlsRxDevice                     \t9\n"
        "TlsDecryptError                 \t10\n"
        "TlsRxDeviceResync               \t11\n"
        "TlsDecryptRetry                 \t12\n"
        "TlsRxNoPadViolation             \t13\n");
    REQUIRE(seen);
    CHECK(*seen == Statistics{.current_tx_software = 2,
                              .current_rx_software = 3,
                              .current_tx_device = 4,
                              .current_rx_device = 5,
                              .tx_software = 60,
                              .rx_software = 70,
                              .tx_device = 8,
                              .rx_device = 9,
                              .decrypt_errors = 10,
                              .rx_device_resyncs = 11,
                              .decrypt_retries = 12,
                              .rx_no_pad_violations = 13});
}

TEST_CASE("a newer kernel's counters are read, and unknown ones skipped") {
    const auto seen = parse_statistics(
        "TlsRxRekeyOk 1\nTlsRxRekeyError 2\nTlsTxRekeyOk 3\nTlsTxRekeyError 4\nTlsRxRekeyReceived 5\n"
        "TlsOfTheYear2040 18446744073709551615\n\nTlsTxSw\t18446744073709551615");
    REQUIRE(seen);
    CHECK(*seen == Statistics{.tx_software = UINT64_MAX,
                              .rx_rekeys = 1,
                              .rx_rekey_errors = 2,
                              .tx_rekeys = 3,
                              .tx_rekey_errors = 4,
                              .rx_rekeys_received = 5});
    CHECK(parse_statistics("").value() == Statistics{});
}

TEST_CASE("a line that is no counter is refused and quoted") {
    for (const auto* text :
         {"TlsTxSw", "TlsTxSw x", "TlsTxSw 1 2", "TlsTxSw -1", "TlsTxSw 18446744073709551616", "TlsTxSw 1\n \n"}) {
        const auto refused = parse_statistics(text);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().reason == "tls-stat-malformed");
    }
    CHECK(parse_statistics("TlsTxSw many\n").error().sentence ==
          "/proc/net/tls_stat: expected a name and a number, got \"TlsTxSw many\"");
}

TEST_CASE("a missing file is a kernel without its module, another failure is not") {
    CHECK(read_statistics("/proc/net/no_such_file").error().reason == "kernel-without-ktls");
    CHECK(read_statistics("/proc/net").error().reason == "tls-stat-unreadable");
    CHECK(read_statistics("/proc/self/status").error().reason == "tls-stat-malformed");
}
