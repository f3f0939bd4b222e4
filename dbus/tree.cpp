#include "dbus/tree.hpp"

#include <utility>

namespace keysluice::bus {

void Tree::put(const control::Setup& setup) {
    auto before = std::exchange(connections_, {});
    for (const control::ConnectionView& view : setup.connections) {
        auto same = before.extract(view.name);
        if (same) {
            same.mapped()->update(view.gateway);
        }
        if (same && same.mapped()->view() == view) {
            connections_.insert(std::move(same));
            continue;
        }
        same = {};  // the old one leaves the path first
        auto object = std::make_unique<ConnectionObject>(connection_, commands_, view);
        if (public_) {
            object->announce();
        }
        connections_[view.name] = std::move(object);
    }
    auto services = std::exchange(services_, {});
    for (const control::ServiceView& service : setup.services) {
        auto same = services.extract(service.settings.name);
        if (same && same.mapped()->settings() == service.settings) {
            same.mapped()->update(service.open);
            services_.insert(std::move(same));
            continue;
        }
        same = {};
        auto object = std::make_unique<TlsServiceObject>(connection_, commands_, inquiries_, service);
        if (public_) {
            object->announce();
        }
        services_[service.settings.name] = std::move(object);
    }
}

void Tree::put_gateway(const std::string& connection, const std::string& gateway) {
    if (const auto found = connections_.find(connection); found != connections_.end()) {
        found->second->update(gateway);
    }
}

void Tree::put(control::IkeSaView view) {
    const ike::IkeSpi spi = view.own;
    const std::size_t size = size_on_bus(view);
    auto found = sas_.find(spi);
    const std::size_t others = octets_ - (found == sas_.end() ? 0 : found->second.size);
    if (others + size > kMostOctets || (found == sas_.end() && sas_.size() >= kMostSas)) {
        remove(spi);
        left_out_ = true;
        return;
    }
    resolver_.put(view);
    if (found == sas_.end()) {
        found = sas_.emplace(spi, SaEntry{}).first;
        found->second.object = std::make_unique<IkeSaObject>(connection_, commands_, inquiries_, std::move(view));
        if (public_) {
            found->second.object->announce();
        }
    } else {
        found->second.object->update(std::move(view));
    }
    found->second.size = size;
    found->second.walk = walk_;
    octets_ = others + size;
}

void Tree::remove(ike::IkeSpi spi) {
    if (const auto found = sas_.find(spi); found != sas_.end()) {
        erase(found);
    }
}

Tree::SaEntries::iterator Tree::erase(SaEntries::iterator entry) {
    octets_ -= entry->second.size;
    resolver_.remove(entry->first);
    return sas_.erase(entry);
}

bool Tree::has_room_again() const {
    return left_out_ && sas_.size() < kMostSas / 8 * 7 && octets_ < kMostOctets / 8 * 7;
}

void Tree::begin_walk() {
    ++walk_;
    left_out_ = false;
}

void Tree::end_walk() {
    for (auto next = sas_.begin(); next != sas_.end();) {
        next = next->second.walk == walk_ ? std::next(next) : erase(next);
    }
    resolver_.settle();
}

}  // namespace keysluice::bus
