#include "cli/import/ipsec_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace keysluice::importer {
namespace {

constexpr std::size_t kMostSections = 1'024;
constexpr std::size_t kMostParameters = 10'000;
constexpr unsigned kDeepestAlso = 16;

/// Without a comment behind white space.
std::string_view without_comment(std::string_view line) {
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        quoted = quoted != (line[i] == '"');
        if (!quoted && line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) {
            return line.substr(0, i);
        }
    }
    return line;
}

std::string_view without_quotes(std::string_view text) {
    const bool quoted = text.size() > 1 && text.starts_with('"') && text.ends_with('"');
    return quoted ? text.substr(1, text.size() - 2) : text;
}

class Reader {
   public:
    explicit Reader(Inclusion& inclusion) : inclusion_(inclusion) {}

    Result<void> read(const Source& source, unsigned depth) {
        std::string_view rest = source.view();
        for (unsigned number = 1; !rest.empty(); ++number) {
            const std::string_view line = without_comment(next_piece(rest, '\n'));
            const bool indented = line.starts_with(' ') || line.starts_with('\t');
            const Place place{source.name(), number};
            auto read = trim(line).empty() ? Result<void>()
                        : indented         ? read_parameter(trim(line), place)
                                           : read_header(words(line), place, source, depth);
            if (!read) {
                return read;
            }
        }
        return {};
    }

    IpsecFile file;

   private:
    Result<void> read_header(const std::vector<std::string_view>& parts, const Place& place, const Source& source,
                             unsigned depth) {
        const bool section = parts[0] == "conn" || parts[0] == "config" || parts[0] == "ca";
        if (parts[0] == "version" || (section && parts.size() == 2)) {
            file.sections.push_back({std::string(parts[0]), std::string(parts.back()), place, {}});
            return file.sections.size() <= kMostSections
                       ? Result<void>()
                       : fail("import-too-large",
                              fmt::format("{}: more than {} sections", print(place), kMostSections));
        }
        if (parts[0] != "include" || parts.size() != 2) {
            return fail(
                "import-malformed",
                fmt::format("{}: expected \"conn NAME\", \"config setup\", \"ca NAME\", \"include FILE\" or an "
                            "indented \"key=value\"",
                            print(place)));
        }
        const auto files = inclusion_.open(std::string(without_quotes(parts[1])), source, depth);
        if (!files) {
            return std::unexpected(files.error());
        }
        for (const SourcePtr& each : *files) {
            if (auto inner = read(*each, depth + 1); !inner) {
                return inner;
            }
        }
        return {};
    }

    Result<void> read_parameter(std::string_view line, const Place& place) {
        if (file.sections.empty() || ++parameters_ > kMostParameters) {
            return fail(file.sections.empty() ? "import-malformed" : "import-too-large",
                        fmt::format("{}: expected a section in front of this, and at most {} parameters",
                                    print(place), kMostParameters));
        }
        const auto equals = line.find('=');
        const std::string_view value = equals == std::string_view::npos ? "" : line.substr(equals + 1);
        Parameter parameter{lower(trim(line.substr(0, equals))), std::string(without_quotes(trim(value))), place};
        if (parameter.key == "also") {
            file.taken_over.insert(parameter.value);
        }
        file.sections.back().parameters.push_back(std::move(parameter));
        return {};
    }

    Inclusion& inclusion_;
    std::size_t parameters_ = 0;
};

class Gatherer {
   public:
    explicit Gatherer(const IpsecFile& file) : file_(file) {}

    Result<void> gather(const IpsecSection& conn, unsigned depth) {
        if (depth > kDeepestAlso) {
            return fail("import-malformed", fmt::format("{}: also= goes round in circles", print(conn.place)));
        }
        for (const Parameter& parameter : conn.parameters) {
            if (parameter.key != "also" && keys_.insert(parameter.key).second) {
                found.push_back(parameter);
            }
        }
        for (const Parameter& parameter : conn.parameters) {
            if (parameter.key != "also") {
                continue;
            }
            if (auto taken = gather_all(parameter.value, depth + 1, &parameter); !taken) {
                return taken;
            }
        }
        return {};
    }

    Result<void> gather_all(std::string_view name, unsigned depth, const Parameter* by) {
        if (++steps_ > kMostSections) {
            return fail("import-too-large", "too many also= in each other");
        }
        bool any = false;
        for (const IpsecSection& section : file_.sections) {
            if (section.kind != "conn" || section.name != name) {
                continue;
            }
            any = true;
            if (auto taken = gather(section, depth); !taken) {
                return taken;
            }
        }
        if (!any && by != nullptr) {
            return fail("import-malformed",
                        fmt::format("{}: {}: there is no such conn", print(by->place), by->shown()));
        }
        return {};
    }

    std::vector<Parameter> found;

   private:
    const IpsecFile& file_;
    std::set<std::string> keys_;
    std::size_t steps_ = 0;
};

// ---- ipsec.secrets

/// Takes a word, or what stands between quotation marks; `quoted` says which.
std::string_view take_word(std::string_view& rest, bool& quoted) {
    rest = trim(rest);
    quoted = rest.starts_with('"') || rest.starts_with('\'');
    if (quoted) {
        const char mark = rest.front();
        rest.remove_prefix(1);
        return next_piece(rest, mark);
    }
    const std::string_view word = rest.substr(0, rest.find_first_of(" \t\r\n"));
    rest.remove_prefix(word.size());
    return word;
}

class SecretsReader {
   public:
    explicit SecretsReader(Inclusion& inclusion) : inclusion_(inclusion) {}

    /// An entry begins in the first column and goes on in indented lines, or up to its "}".
    Result<void> read(const Source& source, unsigned depth) {
        std::string_view rest = source.view();
        unsigned number = 1;
        while (!rest.empty()) {
            const Place place{source.name(), number};
            std::string_view entry = rest;
            std::size_t size = 0;
            bool braces = false;
            do {
                const std::string_view line = entry.substr(0, entry.find('\n'));
                braces =
                    (braces || line.find('{') != std::string_view::npos) && line.find('}') == std::string_view::npos;
                size += std::min(line.size() + 1, entry.size());
                entry.remove_prefix(std::min(line.size() + 1, entry.size()));
                ++number;
            } while (!entry.empty() && (braces || entry.starts_with(' ') || entry.starts_with('\t')));
            auto read = read_entry(trim(rest.substr(0, size)), place, source, depth);
            if (!read) {
                return read;
            }
            rest = entry;
        }
        return {};
    }

    IpsecSecrets secrets;

   private:
    Result<void> read_entry(std::string_view entry, const Place& place, const Source& source, unsigned depth) {
        if (entry.empty() || entry.starts_with('#')) {
            return {};
        }
        if (++entries_ > kMostParameters) {
            return fail("import-too-large", fmt::format("{}: more than {} entries", print(place), kMostParameters));
        }
        bool quoted = false;
        std::vector<std::string> ids;
        std::string_view word = take_word(entry, quoted);
        if (word == "include") {
            return include(std::string(take_word(entry, quoted)), source, depth);
        }
        for (; (word != ":" || quoted) && !(word.starts_with(':') && lower(word) == ":psk");
             word = take_word(entry, quoted)) {
            if (trim(entry).empty()) {
                return fail("import-malformed",
                            fmt::format("{}: expected \": PSK\" or another kind of secret (the line "
                                        "is not repeated)",
                                        print(place)));
            }
            ids.push_back(identity_of(word));
        }
        const std::string kind = word == ":" ? lower(take_word(entry, quoted)) : "psk";
        const std::string_view value = take_word(entry, quoted);
        add(kind, value, std::move(ids), place, !trim(entry).empty());
        return {};
    }

    void add(const std::string& kind, std::string_view value, std::vector<std::string> ids, const Place& place,
             bool passphrase) {
        const bool file = kind == "rsa" || kind == "ecdsa" || kind == "pkcs8";
        if (kind == "psk" || kind == "eap") {
            (kind == "psk" ? secrets.keys : secrets.passwords)
                .push_back({.ids = std::move(ids), .value = value, .escapes = false, .place = place});
        } else if (file && !value.starts_with('{')) {
            secrets.private_keys.emplace_back(value);
            if (passphrase && !value.empty()) {
                secrets.remarks.push_back({place, ": " + kind + " (not repeated)",
                                           "private keys are files without a passphrase, or systemd's credentials",
                                           Effect::loss});
            }
        } else {
            secrets.remarks.push_back(
                {place, "secret (not repeated)",
                 "pre-shared keys, and private keys of certificates in files, are all that there is", Effect::loss});
        }
    }

    Result<void> include(const std::string& pattern, const Source& source, unsigned depth) {
        const auto files = inclusion_.open(pattern, source, depth);
        if (!files) {
            return std::unexpected(files.error());
        }
        for (const SourcePtr& each : *files) {
            if (auto inner = read(*each, depth + 1); !inner) {
                return inner;
            }
        }
        return {};
    }

    Inclusion& inclusion_;
    std::size_t entries_ = 0;
};

}  // namespace

const Parameter* IpsecSection::parameter(std::string_view key) const {
    const auto found = std::ranges::find(parameters, key, &Parameter::key);
    return found == parameters.end() ? nullptr : &*found;
}

Result<std::vector<Parameter>> IpsecFile::all_of(const IpsecSection& conn) const {
    Gatherer gatherer(*this);
    if (auto gathered = gatherer.gather(conn, 0); !gathered) {
        return pass_on(std::move(gathered));
    }
    if (auto gathered = gatherer.gather_all("%default", 1, nullptr); !gathered) {
        return pass_on(std::move(gathered));
    }
    return std::move(gatherer.found);
}

Result<IpsecFile> read_ipsec(const SourcePtr& source, Inclusion& inclusion) {
    Reader reader(inclusion);
    if (auto read = reader.read(*source, 0); !read) {
        return pass_on(std::move(read));
    }
    return std::move(reader.file);
}

Result<IpsecSecrets> read_ipsec_secrets(const SourcePtr& source, Inclusion& inclusion) {
    SecretsReader reader(inclusion);
    if (auto read = reader.read(*source, 0); !read) {
        return pass_on(std::move(read));
    }
    return std::move(reader.secrets);
}

}  // namespace keysluice::importer
