#include "daemon/control/service_loading.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/shared/clock.hpp"

namespace keysluice::control {

void ServiceLoading::begin(std::vector<Service> services, const std::vector<Hello>& processes, Done done) {
    services_ = std::move(services);
    outcome_ = {.load = outcome_.load + 1};
    done_ = std::move(done);
    if (!services_.empty()) {
        for (const Hello& hello : processes) {
            processes_.push_back({.hello = hello});
        }
    }
    deadline_.arm(processes_.empty() ? now() : now() + patience_);
    std::ranges::for_each(processes_, [this](Process& process) { ask(process); });
}

void ServiceLoading::ask(Process& process) {
    while (process.missing.size() < kAhead && process.asked < services_.size()) {
        const Service& service = services_[process.asked++];
        process.missing.insert(service.id);
        send_(process.hello, LoadService{.load = outcome_.load, .id = service.id, .settings = service.settings});
    }
}

void ServiceLoading::on_loaded(const Hello& from, const ServiceLoaded& answer) {
    const auto process = std::ranges::find(processes_, from, &Process::hello);
    if (process == processes_.end() || answer.load != outcome_.load || process->missing.erase(answer.id) == 0) {
        return;
    }
    if (!answer.reason.empty()) {
        outcome_.refused.try_emplace(answer.id, Refusal{.reason = answer.reason, .sentence = answer.sentence});
    } else if (answer.fresh) {
        outcome_.fresh.insert(answer.id);
    }
    deadline_.arm(now() + patience_);
    ask(*process);
    look_at(process);
}

void ServiceLoading::left(const Hello& process) {
    const auto found = std::ranges::find(processes_, process, &Process::hello);
    if (found != processes_.end()) {
        found->missing.clear();
        found->asked = services_.size();
        look_at(found);
    }
}

void ServiceLoading::look_at(std::list<Process>::iterator process) {
    if (process->missing.empty()) {
        processes_.erase(process);
    }
    if (processes_.empty()) {
        deadline_.arm(now());  // whoever asked may be in the middle of something
    }
}

void ServiceLoading::on_deadline() {
    for (const Process& process : processes_) {
        const std::string sentence =
            fmt::format("{} {} has not answered within {} s", name_of(process.hello.kind), process.hello.index,
                        std::chrono::floor<std::chrono::seconds>(patience_).count());
        const auto refuse = [&](ServiceId id) {
            outcome_.refused.try_emplace(id, Refusal{.reason = "engine-silent", .sentence = sentence});
        };
        std::ranges::for_each(process.missing, refuse);
        for (std::size_t index = process.asked; index < services_.size(); ++index) {
            refuse(services_[index].id);
        }
    }
    finish();
}

void ServiceLoading::finish() {
    processes_.clear();
    services_.clear();
    std::uint32_t load = outcome_.load;
    Outcome outcome = std::exchange(outcome_, Outcome{.load = load});
    if (auto done = std::exchange(done_, nullptr)) {
        done(std::move(outcome));
    }
}

}  // namespace keysluice::control
