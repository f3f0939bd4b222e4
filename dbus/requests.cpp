#include "dbus/requests.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <iterator>
#include <utility>
#include <vector>

#include "base/suggestion.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::bus {
namespace {

constexpr std::size_t kCursorDigits = 16;

std::unexpected<Error> unknown(std::string_view kind, const std::string& key,
                               const std::vector<std::string_view>& known) {
    std::string list;
    for (const std::string_view each : known) {
        list += (list.empty() ? "" : ", ") + std::string(each);
    }
    return fail("bad-request", fmt::format("there is no {} {}: expected {}", kind, in_quotes(key), list));
}

std::unexpected<Error> unknown_option(const std::string& key, Knows knows) {
    switch (knows) {
        case Knows::no_other:
            return unknown("option", key, {"interactive"});
        case Knows::child:
            return unknown("option", key, {"interactive", "child"});
        case Knows::updated:
            return unknown("option", key, {"interactive", "persist", "psk", "eap_password", "private_key"});
        case Knows::added:
            return unknown("option", key, {"interactive", "persist", "psk", "eap_password", "private_key", "owned"});
        case Knows::confirm_within:
            return unknown("option", key, {"interactive", "confirm_within"});
    }
    std::abort();
}

template <typename Value>
Result<Value> read(std::string_view kind, const std::string& key, const sdbus::Variant& value,
                   std::string_view expected) {
    try {
        return value.get<Value>();
    } catch (const sdbus::Error&) {
        return fail("bad-request", fmt::format("{} {}: expected {}", kind, key, expected));
    }
}

Result<std::string> read_text(std::string_view kind, const std::string& key, const sdbus::Variant& value) {
    return read<std::string>(kind, key, value, "a string (s)");
}

/// A filter's keys, and where the value of each goes.
using Places = std::vector<std::pair<std::string_view, std::optional<std::string>*>>;
Result<void> read_texts(const Dictionary& given, const Places& places) {
    for (const auto& [key, value] : given) {
        const auto place = std::ranges::find(places, key, &Places::value_type::first);
        if (place == places.end()) {
            std::vector<std::string_view> known;
            std::ranges::transform(places, std::back_inserter(known), &Places::value_type::first);
            return unknown("filter", key, known);
        }
        auto text = read_text("filter", key, value);
        if (!text) {
            return pass_on(std::move(text));
        }
        *place->second = *std::move(text);
    }
    return {};
}

Result<std::chrono::seconds> read_seconds(const std::string& key, const sdbus::Variant& value) {
    const auto seconds = read<std::uint32_t>("option", key, value, "seconds (u)");
    if (!seconds) {
        return std::unexpected(seconds.error());
    }
    if (*seconds == 0) {
        return fail("bad-request", fmt::format("option {}: expected at least one second", key));
    }
    return std::chrono::seconds(*seconds);
}

/// A memory file that nobody can change or shorten any more: to read it takes no time, whoever the caller is.
Result<UniqueFd> read_file(const std::string& key, const sdbus::Variant& value, std::size_t longest) {
    const auto file = read<sdbus::UnixFd>("option", key, value, "a memory file (h)");
    if (!file) {
        return std::unexpected(file.error());
    }
    constexpr int kSeals = F_SEAL_WRITE | F_SEAL_SHRINK;
    const int seals = fcntl(file->get(), F_GET_SEALS);  // -1, in which every bit is set, where there can be none
    struct stat status{};
    const bool sealed = seals >= 0 && (seals & kSeals) == kSeals && fstat(file->get(), &status) == 0;
    if (!sealed || status.st_size < 1 || static_cast<std::size_t>(status.st_size) > longest) {
        return fail(
            "bad-request",
            fmt::format("option {}: expected a memory file that is sealed against writing and shrinking, with "
                        "a key of 1 to {} bytes",
                        key, longest));
    }
    UniqueFd kept = duplicate_fd(file->get());
    return kept ? Result<UniqueFd>(std::move(kept)) : fail("memory-file-failed", "there are too many open files");
}

Result<std::shared_ptr<const ike::SharedKey>> read_key(const std::string& key, const sdbus::Variant& value) {
    constexpr std::size_t kLongest = 256;
    const auto file = read_file(key, value, kLongest);
    if (!file) {
        return std::unexpected(file.error());
    }
    Secret<kLongest> content;
    const MutableBytes room = content.writable(kLongest);
    const auto size = ::pread(file->get(), room.data(), room.size(), 0);
    return std::make_shared<const ike::SharedKey>(
        content.expose().first(static_cast<std::size_t>(std::max<ssize_t>(size, 0))));
}

/// Engines read it: its octets don't come into this process.
Result<std::shared_ptr<const UniqueFd>> read_private_key(const std::string& key, const sdbus::Variant& value) {
    constexpr std::size_t kLongest = 64U << 10U;
    auto file = read_file(key, value, kLongest);
    if (!file) {
        return std::unexpected(file.error());
    }
    return std::make_shared<const UniqueFd>(*std::move(file));
}

Result<void> read_option(const std::string& key, const sdbus::Variant& value, Knows knows, Options& into) {
    const auto take = [](auto read, auto& place) -> Result<void> {
        if (!read) {
            return pass_on(std::move(read));
        }
        place = *std::move(read);
        return {};
    };
    if (key == "child" && knows == Knows::child) {
        return take(read_text("option", key, value), into.child);
    }
    if (key == "confirm_within" && knows == Knows::confirm_within) {
        return take(read_seconds(key, value), into.confirm_within);
    }
    const bool brings = knows == Knows::added || knows == Knows::updated;
    if (key == "persist" && brings) {
        return take(read<bool>("option", key, value, "a boolean (b)"), into.persist);
    }
    if (key == "psk" && brings) {
        return take(read_key(key, value), into.given.psk);
    }
    if (key == "eap_password" && brings) {
        return take(read_key(key, value), into.given.eap_password);
    }
    if (key == "private_key" && brings) {
        return take(read_private_key(key, value), into.given.private_key);
    }
    if (key == "owned" && knows == Knows::added) {
        return take(read<bool>("option", key, value, "a boolean (b)"), into.owned);
    }
    return key == "interactive" ? take(read<bool>("option", key, value, "a boolean (b)"), into.interactive)
                                : unknown_option(key, knows);
}

}  // namespace

Result<Options> read_options(const Dictionary& given, Knows knows) {
    Options options;
    for (const auto& [key, value] : given) {
        if (auto read = read_option(key, value, knows, options); !read) {
            return pass_on(std::move(read));
        }
    }
    if (options.persist.value_or(false) && (options.given.any() || options.owned)) {
        return fail("bad-request",
                    "what persists has no option psk, eap_password, private_key or owned: its secret stands in a "
                    "file, and it "
                    "stays");
    }
    return options;
}

Result<control::SaFilter> read_filter(const Dictionary& given) {
    control::SaFilter filter;
    auto read = read_texts(
        given, {{"connection", &filter.connection}, {"group", &filter.group}, {"remote_id", &filter.remote_id}});
    return read ? Result<control::SaFilter>(std::move(filter)) : pass_on(std::move(read));
}

Result<control::TlsFilter> read_tls_filter(const Dictionary& given) {
    control::TlsFilter filter;
    auto read = read_texts(given, {{"service", &filter.service}, {"group", &filter.group}});
    return read ? Result<control::TlsFilter>(std::move(filter)) : pass_on(std::move(read));
}

Result<control::PolicyTable::Which> read_which(const std::string& set) {
    using Which = control::PolicyTable::Which;
    if (set == "candidate" || set == "committed") {
        return set == "candidate" ? Which::candidate : Which::committed;
    }
    return fail("bad-request", fmt::format("set {}: expected candidate or committed", in_quotes(set)));
}

Result<control::PolicyEdit> read_edit(const std::string& verb, const std::string& name,
                                      std::map<std::string, std::string> values) {
    static constexpr std::array<std::string_view, 5> kVerbs{"add", "modify", "clone", "delete", "move"};
    const auto found = std::ranges::find(kVerbs, verb);
    if (found == kVerbs.end()) {
        return fail("bad-request",
                    fmt::format("edit {}: expected add, modify, clone, delete or move", in_quotes(verb)));
    }
    control::PolicyEdit edit{.verb = static_cast<control::PolicyEdit::Verb>(found - kVerbs.begin()), .name = name};
    const auto take = [&values](const char* key) {
        const auto value = values.extract(key);
        return value ? std::move(value.mapped()) : std::string();
    };
    edit.before = take("before");
    edit.fresh_name = take("new_name");
    const bool takes_values =
        edit.verb == control::PolicyEdit::Verb::add || edit.verb == control::PolicyEdit::Verb::modify;
    if (!values.empty() && !takes_values) {
        return fail("bad-request", fmt::format("edit {} takes no {}", verb, in_quotes(values.begin()->first)));
    }
    // They are written into a file as they are.
    const auto is_key = [](const auto& value) {
        return !value.first.empty() &&
               value.first.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos;
    };
    if (const auto odd = std::ranges::find_if_not(values, is_key); odd != values.end()) {
        return fail("bad-request", fmt::format("{} is no key of [[policy]]", in_quotes(odd->first)));
    }
    if (edit.verb == control::PolicyEdit::Verb::clone && edit.fresh_name.empty()) {
        return fail("bad-request", "edit clone needs new_name");
    }
    edit.values = std::move(values);
    return edit;
}

Result<std::uint64_t> read_cursor(const std::string& cursor) {
    std::uint64_t id = 0;
    if (cursor.empty()) {
        return id;
    }
    const char* const end = cursor.data() + cursor.size();
    const auto [stopped, error] = std::from_chars(cursor.data(), end, id, 16);
    if (cursor.size() != kCursorDigits || error != std::errc{} || stopped != end) {
        return fail("bad-request", fmt::format("cursor {}: expected \"\" or what the page before returned as next",
                                               in_quotes(cursor)));
    }
    return id;
}

}  // namespace keysluice::bus
