#include "daemon/engine/installation.hpp"

#include "ktls/socket.hpp"

namespace keysluice {

namespace {

Placement stays(std::string_view reason) {
    return {.carrier = Carrier::userspace, .reason = reason};
}

}  // namespace

Result<void> read_back(int fd, const KernelKeys& keys) {
    const auto rx = ktls::in_force(fd, keys.rx);
    const auto tx = ktls::in_force(fd, keys.tx);
    if (!rx || !tx) {
        return std::unexpected(!rx ? rx.error() : tx.error());
    }
    if (!*rx || !*tx) {
        return fail("ktls-read-back-differs",
                    "the kernel does not use the keys that it was given; the connection is closed");
    }
    return {};
}

std::string_view to_string(Carrier carrier) {
    switch (carrier) {
        case Carrier::kernel:
            return "kernel";
        case Carrier::userspace:
            return "userspace";
    }
    return "";
}

Result<Placement> place(int fd, tls::Session& session, const ktls::Capabilities& kernel, bool rekey) {
    if (!kernel.carries_any()) {
        return stays(kernel.absent ? kernel.absent->reason : "cipher-not-in-kernel");
    }
    if (const auto obstacle = session.kernel_obstacle()) {
        return stays(*obstacle);
    }
    const tls::Summary summary = session.summary();
    const auto cipher = to_kernel(summary.cipher);
    if (!cipher || !kernel.carries(to_kernel(summary.version), *cipher)) {
        return stays("cipher-not-in-kernel");
    }
    const bool tls13 = summary.version == tls::Version::tls13;
    const bool kernel_rekeys = kernel.rekeys_receiving && kernel.rekeys_sending;
    if (rekey && tls13 && !kernel_rekeys) {
        return stays("rekey-not-in-kernel");
    }
    auto exported = session.export_keys();
    if (!exported) {
        return stays(exported.error().reason);
    }
    const auto keys = to_kernel(*exported);
    if (!keys) {
        return stays(keys.error().reason);
    }
    if (const auto attached = ktls::attach(fd); !attached) {
        return stays(attached.error().reason);
    }
    if (const auto rx = ktls::install(fd, keys->rx); !rx) {
        return stays(rx.error().reason);
    }
    // The point of no return: the kernel decrypts from here on.
    if (auto tx = ktls::install(fd, keys->tx); !tx) {
        return pass_on(std::move(tx));
    }
    if (auto same = read_back(fd, *keys); !same) {
        return pass_on(std::move(same));
    }
    Placement placement{.carrier = Carrier::kernel, .reason = {}};
    if (tls13 && kernel_rekeys) {
        placement.secrets = std::make_shared<TrafficSecrets>(TrafficSecrets{
            .receive = std::move(exported->read.traffic_secret), .send = std::move(exported->write.traffic_secret)});
    }
    return placement;
}

}  // namespace keysluice
