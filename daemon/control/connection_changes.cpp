#include "daemon/control/connection_changes.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "daemon/control/text_file.hpp"
#include "daemon/control/toml_document.hpp"
#include "daemon/shared/quoted.hpp"
#include "daemon/shared/service.hpp"

namespace keysluice::control {
namespace {

constexpr std::string_view kNote =
    "# Written by keysluiced for org.keysluice1.Manager.AddConnection. UpdateConnection writes it anew,\n"
    "# RemoveConnection removes it.\n";
/// A text that has no name yet.
constexpr std::string_view kNameless = "bus";

std::unexpected<Refusal> refuse(std::string_view title, Position where, std::string_view reason,
                                std::string sentence) {
    where.file = title;
    return std::unexpected(Refusal(Diagnostics{{std::move(where), reason, std::move(sentence)}}));
}

/// The one thing of its kind in a table that has nothing else.
const TomlValue* only(const TomlTable& table, std::string_view key) {
    const TomlEntry* const entry = table.find(key);
    return table.entries.size() == 1 ? (entry == nullptr ? nullptr : &entry->value) : nullptr;
}

/// The table of the only [[ike.connection]]; null where there is anything else.
const TomlTable* only_connection(const TomlTable& document) {
    const TomlValue* const ike = only(document, "ike");
    const auto* const table = ike == nullptr ? nullptr : std::get_if<TomlTable>(&ike->content);
    const TomlValue* const list = table == nullptr ? nullptr : only(*table, "connection");
    const auto* const array = list == nullptr ? nullptr : std::get_if<TomlArray>(&list->content);
    return array == nullptr || array->items.size() != 1 ? nullptr
                                                        : std::get_if<TomlTable>(&array->items.front().content);
}

/// The name of the connection that the text describes.
std::expected<std::string, Refusal> name_in(const std::string& text) {
    if (text.size() > ConnectionChange::kLongestText) {
        return refuse(kNameless, {}, "file-too-large",
                      fmt::format("a connection of {} octets: expected at most {}", text.size(),
                                  ConnectionChange::kLongestText));
    }
    auto document = parse_toml(text, std::string(kNameless));
    if (!document) {
        return std::unexpected(Refusal(Diagnostics{std::move(document).error()}));
    }
    const TomlTable* const connection = only_connection(*document);
    if (connection == nullptr) {
        return refuse(kNameless, {{}, 1, 1}, "not-one-connection",
                      "expected one [[ike.connection]] with its [[ike.connection.child]], and nothing else");
    }
    const TomlEntry* const name = connection->find("name");
    const auto* const found = name == nullptr ? nullptr : std::get_if<std::string>(&name->value.content);
    if (found == nullptr || !is_service_name(*found)) {
        return refuse(kNameless, name == nullptr ? Position{{}, 1, 1} : name->where, "bad-name",
                      "the connection needs a name: letters, digits, \"_\", \".\" or \"-\"");
    }
    return *found;
}

std::unexpected<Refusal> not_added(const std::string& name) {
    return std::unexpected(Refusal(Error{
        "not-added", fmt::format("no connection with the name {} was added here: what stands in a configuration "
                                 "file is changed there, and then reloaded",
                                 in_quotes(name))}));
}

/// A secret that the change does not bring stays what it was.
void take(AddedText& added, const ConnectionChange& change) {
    added.text = change.text;
    if (change.given.psk) {
        added.given.psk = change.given.psk;
    }
    if (change.given.eap_password) {
        added.given.eap_password = change.given.eap_password;
    }
    if (change.given.private_key) {
        added.given.private_key = change.given.private_key;
    }
}

}  // namespace

std::string added_title(std::string_view name) {
    return fmt::format("{}:{}", kNameless, name);
}

Overlay Proposal::overlay() const {
    Overlay overlay{.texts = {}, .without = file};
    for (const auto& [each, added] : texts) {
        overlay.texts.emplace(added_title(each), Overlay::Text{added.text, added.given});
    }
    if (kept) {
        overlay.texts.emplace(added_title(name), Overlay::Text{*kept, {}});
    }
    return overlay;
}

std::expected<Proposal, Refusal> propose(const AddedTexts& now, const std::filesystem::path& configuration,
                                         const ConnectionChange& change) {
    Proposal proposal{.name = change.name, .texts = now, .file = {}, .kept = {}};
    if (change.verb != ConnectionChange::Verb::remove) {
        auto name = name_in(change.text);
        if (!name) {
            return std::unexpected(std::move(name).error());
        }
        if (change.verb == ConnectionChange::Verb::update && *name != change.name) {
            return refuse(kNameless, {{}, 1, 1}, "bad-name",
                          fmt::format("this is {}, and {} is to be updated: expected the same name", in_quotes(*name),
                                      in_quotes(change.name)));
        }
        proposal.name = *std::move(name);
    }
    if (!is_service_name(proposal.name)) {  // nor can there be a file of that name
        return not_added(proposal.name);
    }
    proposal.file = configuration.parent_path() / "conf.d" / fmt::format("bus-{}.toml", proposal.name);
    std::error_code ignored;
    const bool kept = std::filesystem::exists(proposal.file, ignored);
    const auto before = proposal.texts.extract(proposal.name);
    const bool known = kept || before;
    const bool claimed = before && before.mapped().awaited && before.mapped().owner == change.owner;
    if (change.verb == ConnectionChange::Verb::add && known && !claimed) {
        return refuse(added_title(proposal.name), {{}, 1, 1}, "duplicate-name",
                      fmt::format("a connection with the name \"{}\" was added already: UpdateConnection changes it",
                                  proposal.name));
    }
    if (change.verb != ConnectionChange::Verb::add && !known) {
        return not_added(proposal.name);
    }
    if (change.verb == ConnectionChange::Verb::remove) {
        return proposal;
    }
    if (change.persist.value_or(kept)) {
        proposal.kept = change.text;
    } else if (proposal.texts.size() < ConnectionChange::kMostOfOneRun) {
        AddedText added = before && !claimed ? before.mapped() : AddedText{.text = {}, .owner = change.owner};
        take(added, change);
        proposal.texts.emplace(proposal.name, std::move(added));
    } else {
        return std::unexpected(Refusal(Error{
            "too-many-added", fmt::format("{} connections were added for this run: remove some, or let them persist",
                                          ConnectionChange::kMostOfOneRun)}));
    }
    return proposal;
}

Result<void> carry_out(const Proposal& proposal) {
    if (proposal.kept) {
        return write_text_file(proposal.file, std::string(kNote) + *proposal.kept);
    }
    if (::unlink(proposal.file.c_str()) == 0) {
        flush_folder(proposal.file.parent_path());
    } else if (errno != ENOENT && errno != ENOTDIR) {
        return std::unexpected(unwritable(proposal.file, "removing it"));
    }
    return {};
}

}  // namespace keysluice::control
