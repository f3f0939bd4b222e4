#include <fmt/format.h>

#include <deque>
#include <map>
#include <utility>

#include "cli/import/import.hpp"
#include "cli/import/stunnel_service.hpp"

namespace keysluice::importer {
namespace {

/// Global options that no section translates.
void add_global(const StunnelSection& global, bool alone, Draft& draft) {
    Table comments;
    for (const StunnelOption& option : global.options) {
        if (!is_translated(option.key)) {
            const Known& known = judge(stunnel_options(), option.key, option.value);
            comments.remark({option.place, option.shown, std::string(known.why), known.effect});
        } else if (alone) {
            comments.remark({option.place, option.shown, "there is no section that it holds for", Effect::loss});
        }
    }
    draft.add(std::move(comments));
}

/// The sections, each with those of its further names behind it.
class Assembly {
   public:
    Assembly(const std::vector<StunnelSection>& sections, std::string folder, Surroundings& surroundings,
             Draft& draft)
        : folder_(std::move(folder)), draft_(draft) {
        for (std::size_t i = 1; i < sections.size(); ++i) {
            StunnelService& service = services_.emplace_back(sections[i], sections.front(), folder_, surroundings);
            const std::string master = service.master();
            (master.empty() ? first_ : below_)[master.empty() ? sections[i].name : master].push_back(&service);
        }
        for (auto& [name, services] : below_) {
            if (!first_.contains(name)) {
                for (StunnelService* service : services) {
                    service->leave_out(fmt::format("there is no section [{}] that this could belong to", name));
                }
            }
        }
    }

    Result<void> add_all() {
        for (StunnelService& service : services_) {
            const bool master = service.master().empty();
            if (master) {
                const bool first = first_[service.name()].front() == &service;
                if (auto added = add(service, first ? below_[service.name()] : std::vector<StunnelService*>());
                    !added) {
                    return added;
                }
            } else if (!first_.contains(service.master())) {
                service.add_comments_to(draft_);
            }
        }
        return {};
    }

   private:
    Result<void> add(StunnelService& service, const std::vector<StunnelService*>& below) {
        std::vector<std::string> targets;
        for (StunnelService* each : below) {
            if (auto built = each->left_out().empty() ? each->build_below() : Result<void>(); !built) {
                return built;
            }
            targets.insert(targets.end(), each->connect().begin(), each->connect().end());
        }
        auto built =
            service.left_out().empty() ? service.build(draft_.name(service.name()), targets) : Result<void>();
        if (!built) {
            return built;
        }
        std::string text;
        add_if_sound(service, text);
        for (StunnelService* each : below) {
            if (text.empty()) {
                each->leave_out(fmt::format("it belongs to [{}]", service.name()));
            }
            add_if_sound(*each, text);
        }
        return {};
    }

    /// `text`: what it stands behind.
    void add_if_sound(StunnelService& service, std::string& text) {
        const std::string both = text + service.text();
        if (const std::string fault = service.left_out().empty() ? fault_in(both) : ""; !fault.empty()) {
            service.leave_out(fault);
        }
        if (service.left_out().empty()) {
            text = both;
            service.add_to(draft_);
        } else {
            service.add_comments_to(draft_);
        }
    }

    std::string folder_;
    Draft& draft_;
    std::deque<StunnelService> services_;
    std::map<std::string, std::vector<StunnelService*>, std::less<>> first_;  ///< those that listen, by name
    std::map<std::string, std::vector<StunnelService*>, std::less<>> below_;  ///< by the name of whom they belong to
};

}  // namespace

Result<Imported> import_stunnel(const SourcePtr& source, Surroundings& surroundings) {
    Inclusion inclusion(surroundings);
    const auto sections = read_stunnel(source, inclusion);
    if (!sections) {
        return std::unexpected(sections.error());
    }
    Draft draft(source->name());
    add_global(sections->front(), sections->size() == 1, draft);
    Assembly assembly(*sections, source->folder(), surroundings, draft);
    if (auto added = assembly.add_all(); !added) {
        return pass_on(std::move(added));
    }
    return std::move(draft).finish();
}

}  // namespace keysluice::importer
