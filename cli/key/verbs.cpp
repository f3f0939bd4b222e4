#include "cli/key/verbs.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/suggestion.hpp"
#include "cli/command_line.hpp"
#include "cli/documents.hpp"
#include "cli/json.hpp"
#include "cli/key/secret_input.hpp"
#include "cli/printable.hpp"
#include "cli/style.hpp"
#include "daemon/control/exported_key.hpp"
#include "daemon/control/private_file.hpp"
#include "daemon/shared/quoted.hpp"
#include "daemon/shared/system_random.hpp"

namespace keysluice::cli::key {
namespace {

using control::KeyKind;
using control::NamedKey;
using control::NamedKeys;

Result<KeyKind> wanted_kind(const Job& job) {
    const auto names = control::key_kind_names();
    const std::string name = job.line.value("kind");
    const auto* const found = std::ranges::find(names, name) == names.end() ? nullptr : &name;
    if (found == nullptr) {
        return fail("bad-argument", fmt::format("--kind wants {}, got {}{}", alternatives(names), in_quotes(name),
                                                did_you_mean(name, names)));
    }
    return control::key_kind(name).value_or(KeyKind::hmac_sha1);
}

std::string_view name_of(NamedKeys::Place place) {
    switch (place) {
        case NamedKeys::Place::file:
            return "file";
        case NamedKeys::Place::credential:
            return "credential";
    }
    std::unreachable();
}

/// Keeps it, and says so.
Result<Outcome> keep(const Job& job, const NamedKey& key, bool replace) {
    if (auto kept = job.keys.keep(key, replace); !kept) {
        return pass_on(std::move(kept));
    }
    const std::string digits = control::fingerprint(key);
    const std::string_view kind = control::name_of(key.kind);
    const std::string old = NamedKeys::old_name(key.name);
    if (job.line.json()) {
        std::vector<Json::Member> members{
            {"name", key.name}, {"kind", kind}, {"fingerprint", digits}, {"place", name_of(NamedKeys::Place::file)}};
        if (replace) {
            members.push_back({"old", old});
        }
        return Outcome{.text = document({{"key", Json::object(members)}})};
    }
    return Outcome{.text = fmt::format("{}: {}, fingerprint {}{}\n", key.name, kind, digits,
                                       replace ? fmt::format("; the key before is {}", old) : "")};
}

NamedKey random_key(const std::string& name, KeyKind kind) {
    NamedKey key{.name = name, .kind = kind, .value = {}};
    SystemRandom().fill(key.value.writable(control::octets_of(kind)));
    return key;
}

/// What is typed or comes by standard input.
Result<NamedKey> given_key(const Job& job, KeyKind kind) {
    const bool as_text = job.line.has("text");
    const std::size_t octets = control::octets_of(kind);
    const auto secret =
        secret_from_input(fmt::format("{}, {}, {} {} (not shown): ", job.argument, control::name_of(kind),
                                      as_text ? octets : 2 * octets, as_text ? "characters" : "hexadecimal digits"));
    if (!secret) {
        return std::unexpected(secret.error());
    }
    auto value = as_text ? control::key_of_text(kind, *secret) : control::key_of_digits(kind, *secret);
    if (!value) {
        return pass_on(std::move(value));
    }
    return NamedKey{.name = job.argument, .kind = kind, .value = std::move(*value)};
}

/// The name of a key that a file has by its own name.
std::string stem_of(const std::string& path) {
    const std::filesystem::path file = std::filesystem::path(path).filename();
    return file.extension() == ".key" ? file.stem() : file;
}

/// `name`: empty where the exported key's own is to count.
Result<NamedKey> exported_key(const Job& job, Bytes content, const std::string& name) {
    const auto exported = control::parse_exported_key(content);
    if (!exported) {
        return std::unexpected(exported.error());
    }
    const auto passphrase = read_passphrase(job.line.value("passphrase-file"), false);
    if (!passphrase) {
        return std::unexpected(passphrase.error());
    }
    auto key = control::import_key(*exported, *passphrase);
    if (key && !name.empty()) {
        key->name = name;
    }
    return key;
}

/// From another host's file, or one like those of the folder. `name`: empty where the file has one.
Result<NamedKey> key_of_file(const Job& job, const std::string& path, const std::string& name) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    const auto content = control::read_private_file(file, path, 0);
    if (!content) {
        return std::unexpected(content.error());
    }
    const bool exported = control::is_exported_key(*content);
    // Everybody may read what is encrypted.
    if (auto good = control::check_private(file, path, 0077); !exported && !good) {
        return pass_on(std::move(good));
    }
    auto key = exported ? exported_key(job, *content, name)
                        : control::parse_named_key(name.empty() ? stem_of(path) : name, *content);
    if (!key) {
        return fail(key.error().reason, fmt::format("{}: {}", path, key.error().sentence));
    }
    return key;
}

Result<Outcome> generate(const Job& job) {
    const auto kind = wanted_kind(job);
    return kind ? keep(job, random_key(job.argument, *kind), false) : std::unexpected(kind.error());
}

Result<Outcome> define(const Job& job) {
    const auto kind = wanted_kind(job);
    if (!kind) {
        return std::unexpected(kind.error());
    }
    auto key = given_key(job, *kind);
    return key ? keep(job, *key, false) : pass_on(std::move(key));
}

Result<Outcome> import(const Job& job) {
    const std::string name = job.line.value("name");
    if (auto good = control::check_key_name(name); job.line.has("name") && !good) {
        return pass_on(std::move(good));
    }
    auto key = key_of_file(job, job.argument, name);
    return key ? keep(job, *key, false) : pass_on(std::move(key));
}

Result<NamedKey> successor(const Job& job, KeyKind kind) {
    if (job.line.has("generate")) {
        return random_key(job.argument, kind);
    }
    return job.line.has("from") ? key_of_file(job, job.line.value("from"), job.argument) : given_key(job, kind);
}

Result<Outcome> replace(const Job& job) {
    const auto asked = std::ranges::count_if(std::array{"generate", "from", "text"},
                                             [&job](const char* option) { return job.line.has(option); });
    if (asked > 1) {
        return fail("bad-argument", "keysluice key replace takes one of --generate, --from and --text");
    }
    const auto before = job.keys.read(job.argument);
    if (!before) {
        return std::unexpected(before.error());
    }
    auto key = successor(job, before->kind);
    if (!key) {
        return pass_on(std::move(key));
    }
    if (key->kind != before->kind) {
        return fail("key-kind",
                    fmt::format("{} is of the kind {}, which the policies that use it expect, and what is "
                                "to replace it of the kind {}: delete it first, if that is meant",
                                job.argument, control::name_of(before->kind), control::name_of(key->kind)));
    }
    return keep(job, *key, true);
}

/// A new file for its owner alone; nothing of it is left where it fails.
Result<void> write_new(const std::string& path, Bytes content) {
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) {
        return fail("file-unwritable", fmt::format("{}: {}; nothing is overwritten", path, std::strerror(errno)));
    }
    auto written = control::write_private_file(file, path, content);
    if (!written) {
        ::unlink(path.c_str());
    }
    return written;
}

/// Under a passphrase, or with --plain as it is.
Result<SecretBuffer> exportable(const Job& job, const NamedKey& key) {
    if (job.line.has("plain")) {
        return control::write_named_key(key);
    }
    const auto passphrase = read_passphrase(job.line.value("passphrase-file"), true);
    if (!passphrase) {
        return std::unexpected(passphrase.error());
    }
    SystemRandom random;
    const auto exported = control::export_key(key, *passphrase, random);
    if (!exported) {
        return std::unexpected(exported.error());
    }
    const std::string text = control::write_exported_key(*exported);
    return SecretBuffer(text.begin(), text.end());
}

Result<Outcome> export_to_file(const Job& job) {
    const std::string path = job.line.value("output");
    const bool plain = job.line.has("plain");
    if (path.empty() || (plain && job.line.has("passphrase-file"))) {
        return fail("bad-argument", path.empty() ? "keysluice key export wants --output FILE"
                                                 : "keysluice key export takes --plain or --passphrase-file");
    }
    const auto key = job.keys.read(job.argument);
    if (!key) {
        return std::unexpected(key.error());
    }
    const auto content = exportable(job, *key);
    if (!content) {
        return std::unexpected(content.error());
    }
    if (auto written = write_new(path, *content); !written) {
        return pass_on(std::move(written));
    }
    const std::string digits = control::fingerprint(*key);
    if (job.line.json()) {
        return Outcome{.text = document({{"exported", Json::object({{"name", key->name},
                                                                    {"kind", control::name_of(key->kind)},
                                                                    {"fingerprint", digits},
                                                                    {"file", path},
                                                                    {"encrypted", !plain}})}})};
    }
    return Outcome{.text =
                       fmt::format("{}: {}, fingerprint {}, written to {}{}\n", key->name,
                                   control::name_of(key->kind), digits, printable(path),
                                   plain ? "\nwarning: whoever can read that file has the key: delete it when the "
                                           "other host has it"
                                         : "")};
}

Json to_json(const NamedKeys::Listed& key) {
    if (!key.wrong.reason.empty()) {
        return Json::object({{"name", key.name}, {"place", name_of(key.place)}, {"error", cli::to_json(key.wrong)}});
    }
    return Json::object({{"name", key.name},
                         {"kind", control::name_of(key.kind)},
                         {"fingerprint", key.fingerprint},
                         {"place", name_of(key.place)}});
}

std::string to_text(const NamedKeys::Listed& key, std::size_t width, const Style& style) {
    const std::string name = printable(key.name);
    const std::string gap(width - std::min(width, columns(name)), ' ');
    if (!key.wrong.reason.empty()) {
        return fmt::format("{}{}  {} {} ({})\n", name, gap, style.bad("wrong:"), printable(key.wrong.sentence),
                           key.wrong.reason);
    }
    return fmt::format("{}{}  {:<12}  {:<8}  {}\n", name, gap, control::name_of(key.kind), key.fingerprint,
                       name_of(key.place));
}

Result<Outcome> list(const Job& job) {
    const auto keys = job.keys.list();
    if (!keys) {
        return std::unexpected(keys.error());
    }
    const bool wrong = std::ranges::any_of(*keys, [](const auto& key) { return !key.wrong.reason.empty(); });
    Outcome outcome{.text = {}, .status = wrong ? ExitStatus::failed : ExitStatus::done};
    if (job.line.json()) {
        outcome.text = document({{"keys", Json::array(*keys, to_json)}});
        return outcome;
    }
    std::size_t width = 0;
    for (const auto& key : *keys) {
        width = std::max(width, columns(printable(key.name)));
    }
    for (const auto& key : *keys) {
        outcome.text += to_text(key, width, Style(job.colours));
    }
    if (keys->empty()) {
        outcome.text = fmt::format("no keys in {}\n", printable(job.folder));
    }
    return outcome;
}

/// With what replace has left of it: nobody wants the one and not the other.
Result<Outcome> remove(const Job& job) {
    std::vector<std::string> removed;
    for (const std::string& name : {job.argument, NamedKeys::old_name(job.argument)}) {
        auto done = job.keys.remove(name);
        if (done) {
            removed.push_back(name);
        } else if (removed.empty() || done.error().reason != "key-not-found") {
            return pass_on(std::move(done));
        }
    }
    if (job.line.json()) {
        return Outcome{.text = document({{"deleted", Json::array(removed)}})};
    }
    return Outcome{.text = fmt::format("deleted {}\n", fmt::join(removed, " and "))};
}

constexpr std::array<std::string_view, 1> kOfGenerate{"kind"};
constexpr std::array<std::string_view, 2> kOfDefine{"kind", "text"};
constexpr std::array<std::string_view, 2> kOfImport{"name", "passphrase-file"};
constexpr std::array<std::string_view, 3> kOfExport{"output", "plain", "passphrase-file"};
constexpr std::array<std::string_view, 4> kOfReplace{"generate", "from", "text", "passphrase-file"};

constexpr std::array kVerbs{
    Verb{.name = "generate", .argument = "NAME", .options = kOfGenerate, .run = generate},
    Verb{.name = "define", .argument = "NAME", .options = kOfDefine, .run = define},
    Verb{.name = "import", .argument = "FILE", .options = kOfImport, .run = import},
    Verb{.name = "export", .argument = "NAME", .options = kOfExport, .run = export_to_file},
    Verb{.name = "list", .argument = {}, .options = {}, .run = list},
    Verb{.name = "delete", .argument = "NAME", .options = {}, .run = remove},
    Verb{.name = "replace", .argument = "NAME", .options = kOfReplace, .run = replace},
};

}  // namespace

std::span<const Verb> verbs() {
    return kVerbs;
}

}  // namespace keysluice::cli::key
