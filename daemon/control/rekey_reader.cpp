#include "daemon/control/rekey_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>

#include "daemon/shared/quoted.hpp"

namespace keysluice::control {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kKey = "rekey_after";
constexpr std::string_view kExpected =
    "expected a volume (KiB, MiB or GiB), a time (ms, s, min or h), or one of each, as in [\"1GiB\", \"1h\"]";
constexpr std::uint64_t kKibibyte = 1024;
constexpr std::uint64_t kGibibyte = kKibibyte * kKibibyte * kKibibyte;

struct Unit {
    std::string_view name;
    std::uint64_t octets;
};
constexpr std::array<Unit, 3> kUnits = {{{"KiB", kKibibyte}, {"MiB", kKibibyte* kKibibyte}, {"GiB", kGibibyte}}};

std::optional<std::uint64_t> parse_volume(std::string_view text) {
    std::uint32_t count = 0;
    const char* const end = text.data() + text.size();
    // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): `end` is the size
    const auto [stop, error] = std::from_chars(text.data(), end, count);
    const auto* const unit = std::ranges::find(kUnits, std::string_view(stop, end), &Unit::name);
    if (error != std::errc{} || unit == kUnits.end()) {
        return std::nullopt;
    }
    return count * unit->octets;
}

void read_one(Section& section, const PlacedText& limit, RekeyAfter& into) {
    const auto report = [&](std::string_view reason, std::string_view expected) {
        section.report(limit.where, reason, fmt::format("{} = {}: {}", kKey, in_quotes(limit.text), expected));
    };
    const auto volume = parse_volume(limit.text);
    const auto time = parse_duration(limit.text);
    if (!volume && !time) {
        report("bad-rekey-after", kExpected);
    } else if (volume && (*volume < RekeyAfter::kLeast || *volume > RekeyAfter::kMost)) {
        report("out-of-range", fmt::format("expected a volume from {}KiB to {}GiB", RekeyAfter::kLeast / kKibibyte,
                                           RekeyAfter::kMost / kGibibyte));
    } else if (time && (*time < RekeyAfter::kShortest || *time > RekeyAfter::kLongest)) {
        report("out-of-range",
               fmt::format("expected a time from {}s to {}h", RekeyAfter::kShortest / milliseconds(1000),
                           RekeyAfter::kLongest / std::chrono::hours(1)));
    } else if ((volume ? into.volume != 0 : into.time.count() != 0)) {
        report("bad-rekey-after",
               fmt::format("it is the second {} in this array: {}", volume ? "volume" : "time", kExpected));
    } else if (volume) {
        into.volume = *volume;
    } else {
        into.time = *time;
    }
}

}  // namespace

void read_rekey_after(Section& section, TlsService& service) {
    constexpr std::size_t kVolumeAndTime = 2;
    for (const PlacedText& limit : section.one_or_more(kKey, kVolumeAndTime, "1GiB")) {
        read_one(section, limit, service.rekey_after);
    }
    // Somebody may rely on it.
    if (section.has(kKey) && service.max_version == TlsVersion::tls12) {
        section.report(
            section.position(kKey), "wrong-version",
            "rekey_after is for TLS 1.3, which max_version = \"1.2\" rules out: TLS 1.2 can't change keys");
    }
}

}  // namespace keysluice::control
