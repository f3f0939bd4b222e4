#include "cli/import/import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/suggestion.hpp"
#include "cli/command_line.hpp"
#include "cli/import/host.hpp"
#include "cli/import/key_files.hpp"
#include "cli/json.hpp"
#include "cli/run/runs.hpp"
#include "daemon/control/text_file.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::cli {
namespace {

Result<importer::Kind> kind_of(const Invocation& line, const importer::Source& source) {
    if (!line.has("kind")) {
        return importer::guess_kind(source);
    }
    const std::string word = line.value("kind");
    const auto* const found = std::ranges::find(importer::kKindNames, word);
    if (found == importer::kKindNames.end()) {
        return fail("bad-argument", fmt::format("--kind wants {}, got {}{}", alternatives(importer::kKindNames),
                                                in_quotes(word), did_you_mean(word, importer::kKindNames)));
    }
    return static_cast<importer::Kind>(found - importer::kKindNames.begin());
}

std::filesystem::path absolute(const std::string& path) {
    return std::filesystem::absolute(path).lexically_normal();
}

Json to_json(const importer::Remark& remark) {
    return Json::object({{"file", remark.place.file},
                         {"line", remark.place.line},
                         {"text", remark.text},
                         {"why", remark.why},
                         {"effect", remark.effect == importer::Effect::loss ? "loss" : "harmless"}});
}

Json to_json(const importer::Imported& imported, const Invocation& line) {
    const std::string folder = line.has("keys") ? absolute(line.value("keys")).string() : "";
    return Json::object(
        {{"toml", imported.toml},
         {"complete", imported.complete()},
         {"remarks", Json::array(imported.remarks, [](const importer::Remark& remark) { return to_json(remark); })},
         {"keys", Json::array(imported.keys,
                              [&folder](const importer::KeyFile& key) { return Json(folder + "/" + key.name); })}});
}

std::string summary(const importer::Imported& imported, const std::string& output) {
    const auto lost = std::ranges::count(imported.remarks, importer::Effect::loss, &importer::Remark::effect);
    const std::string lines = lost == 0   ? "nothing of the source is lost"
                              : lost == 1 ? "1 line has no equivalent, and is a comment"
                                          : fmt::format("{} lines have no equivalent, and are comments", lost);
    return fmt::format("{}: written; {}\n", output, lines);
}

}  // namespace

Result<Outcome> run_import(Context& context) {
    const Invocation& line = context.line;
    const auto source = importer::load_source(line.name());
    if (!source) {
        return std::unexpected(source.error());
    }
    const auto kind = kind_of(line, **source);
    if (!kind) {
        return std::unexpected(kind.error());
    }
    importer::Wishes wishes;
    if (line.has("keys")) {
        wishes.keys = absolute(line.value("keys")).string();
    }
    const auto imported = importer::import_as(*kind, *source, *importer::this_host(), wishes);
    if (!imported) {
        return std::unexpected(imported.error());
    }
    if (auto written = importer::write_key_files(wishes.keys.value_or(""), imported->keys); !written) {
        return std::unexpected(written.error());
    }
    const std::string output = line.value("output");
    if (line.has("output")) {
        if (auto written = control::write_text_file(absolute(output), imported->toml); !written) {
            return std::unexpected(written.error());
        }
    }
    Outcome outcome;
    outcome.status = imported->complete() ? ExitStatus::done : ExitStatus::incomplete;
    outcome.text = line.json()          ? document({{"import", to_json(*imported, line)}})
                   : line.has("output") ? summary(*imported, output)
                                        : imported->toml;
    return outcome;
}

}  // namespace keysluice::cli
