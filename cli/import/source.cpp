#include "cli/import/source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace keysluice::importer {
namespace {

constexpr std::string_view kWhite = " \t\r\n\f\v";

}  // namespace

Result<std::vector<SourcePtr>> Inclusion::open(std::string pattern, const Source& from, unsigned depth) {
    if (depth >= kDeepestInclusion) {
        return fail("import-too-large",
                    fmt::format("{}: files include each other more than {} deep", from.path, kDeepestInclusion));
    }
    if (!pattern.starts_with('/')) {
        pattern = from.folder() + pattern;
    }
    auto files = surroundings_.files(pattern);
    if (!files) {
        return files;
    }
    const bool wildcard = pattern.find_first_of("*?[{") != std::string::npos;
    if (files->empty() && !wildcard && !surroundings_.exists(pattern)) {
        return fail("file-unreadable",
                    fmt::format("{}: there is no such file, and {} includes it", pattern, from.path));
    }
    for (const SourcePtr& file : *files) {
        bytes_ += file->text.size();
        kept_.push_back(file);
    }
    if (bytes_ > kMostInAll || kept_.size() > kMostSources) {
        return fail("import-too-large",
                    fmt::format("{}: with what it includes these are more than {} files or {} MiB", from.path,
                                kMostSources, kMostInAll >> 20U));
    }
    return files;
}

std::string print(const Place& place) {
    return fmt::format("{}:{}", place.file, place.line);
}

std::string_view trim(std::string_view text) {
    const auto begin = text.find_first_not_of(kWhite);
    if (begin == std::string_view::npos) {
        return {};
    }
    return text.substr(begin, text.find_last_not_of(kWhite) - begin + 1);
}

std::string_view next_piece(std::string_view& rest, char mark) {
    const std::string_view piece = rest.substr(0, rest.find(mark));
    rest.remove_prefix(std::min(rest.size(), piece.size() + 1));
    return piece;
}

std::vector<std::string_view> pieces(std::string_view text, char mark) {
    std::vector<std::string_view> found;
    while (!text.empty()) {
        if (const std::string_view piece = trim(next_piece(text, mark)); !piece.empty()) {
            found.push_back(piece);
        }
    }
    return found;
}

std::vector<std::string_view> words(std::string_view text) {
    std::vector<std::string_view> found;
    for (text = trim(text); !text.empty(); text = trim(text)) {
        found.push_back(text.substr(0, text.find_first_of(kWhite)));
        text.remove_prefix(found.back().size());
    }
    return found;
}

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return result;
}

std::optional<std::uint64_t> number(std::string_view text) {
    const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    text.remove_prefix(hexadecimal ? 2 : 0);
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] =
        std::from_chars(text.data(), end, value, hexadecimal ? 16 : 10);  // NOLINT: `end` is the size
    return error == std::errc{} && stop == end ? std::optional(value) : std::nullopt;
}

bool all_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace keysluice::importer
