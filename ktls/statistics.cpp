#include "ktls/statistics.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/unique_fd.hpp"

namespace keysluice::ktls {
namespace {

struct Counter {
    std::string_view name;
    std::uint64_t Statistics::* member;
};

constexpr std::array kCounters{
    Counter{"TlsCurrTxSw", &Statistics::current_tx_software},
    Counter{"TlsCurrRxSw", &Statistics::current_rx_software},
    Counter{"TlsCurrTxDevice", &Statistics::current_tx_device},
    Counter{"TlsCurrRxDevice", &Statistics::current_rx_device},
    Counter{"TlsTxSw", &Statistics::tx_software},
    Counter{"TlsRxSw", &Statistics::rx_software},
    Counter{"TlsTxDevice", &Statistics::tx_device},
    Counter{"TlsRxDevice", &Statistics::rx_device},
    Counter{"TlsDecryptError", &Statistics::decrypt_errors},
    Counter{"TlsRxDeviceResync", &Statistics::rx_device_resyncs},
    Counter{"TlsDecryptRetry", &Statistics::decrypt_retries},
    Counter{"TlsRxNoPadViolation", &Statistics::rx_no_pad_violations},
    Counter{"TlsRxRekeyOk", &Statistics::rx_rekeys},
    Counter{"TlsRxRekeyError", &Statistics::rx_rekey_errors},
    Counter{"TlsTxRekeyOk", &Statistics::tx_rekeys},
    Counter{"TlsTxRekeyError", &Statistics::tx_rekey_errors},
    Counter{"TlsRxRekeyReceived", &Statistics::rx_rekeys_received},
};

constexpr std::string_view kBlank = " \t";

bool parse_line(std::string_view line, Statistics& statistics) {
    const std::size_t name_end = std::min(line.find_first_of(kBlank), line.size());
    const std::size_t number_start = std::min(line.find_first_not_of(kBlank, name_end), line.size());
    const std::string_view number = line.substr(number_start);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error != std::errc{} || end != number.data() + number.size()) {
        return false;
    }
    const auto* const counter = std::ranges::find(kCounters, line.substr(0, name_end), &Counter::name);
    if (counter != kCounters.end()) {
        statistics.*(counter->member) = value;
    }
    return true;
}

}  // namespace

Result<Statistics> parse_statistics(std::string_view text) {
    Statistics statistics;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!line.empty() && !parse_line(line, statistics)) {
            return fail("tls-stat-malformed",
                        fmt::format("{}: expected a name and a number, got \"{}\"", kStatisticsPath, line));
        }
    }
    return statistics;
}

Result<Statistics> read_statistics(const std::string& path) {
    const UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file && errno == ENOENT) {
        return fail(
            "kernel-without-ktls",
            fmt::format("{} does not exist: this kernel's TLS record layer is not loaded (`modprobe tls`)", path));
    }
    // It is about 400 bytes long; the kernel fills it in one read.
    std::array<char, 4096> text{};
    const ssize_t size = file ? ::read(file.get(), text.data(), text.size()) : -1;
    if (size < 0) {
        return fail("tls-stat-unreadable", fmt::format("reading {}: {}", path, std::strerror(errno)));
    }
    return parse_statistics({text.data(), static_cast<std::size_t>(size)});
}

}  // namespace keysluice::ktls
