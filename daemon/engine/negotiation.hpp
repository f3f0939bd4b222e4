#pragma once

#include <memory>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "daemon/shared/connector.hpp"
#include "daemon/shared/loop.hpp"
#include "daemon/shared/service.hpp"
#include "tls/context.hpp"
#include "tls/record.hpp"
#include "tls/session.hpp"

namespace keysluice {

/// The peer left before the handshake was complete: counted, but nobody's fault.
inline constexpr std::string_view kPeerClosed = "peer-closed";

/// What an established TLS connection consists of.
struct Negotiated {
    UniqueFd tls;
    UniqueFd plain;  ///< client mode: whom we accepted. Server mode: not connected yet.
    std::unique_ptr<tls::Session> session;
};

/// One TLS handshake on a socket, from accept() to the last byte of the last flight.
///
///     server:               silent ─► handshaking ─► (flushing) ─► established
///     client:  connecting ─────────► handshaking ─► (flushing) ─► established
///
/// The socket is read record by record, so that the kernel can take over exactly behind the peer's last handshake
/// record. A silent connection holds no TLS object and no buffer.
class Negotiation final : Watcher, Deadline {
   public:
    class Owner {
       public:
        virtual ~Owner() = default;
        /// The negotiation is over; destroy it by way of Loop::bury.
        virtual void on_established(Negotiation& negotiation, Negotiated result) = 0;
        /// `tls` may hold a socket to say farewell on: an alert was sent.
        virtual void on_failed(Negotiation& negotiation, const Error& error, UniqueFd tls) = 0;
    };

    /// `accepted` is the TLS side in server mode, the plaintext side in client mode.
    Negotiation(Loop& loop, Owner& owner, const TlsService& service, const tls::Context& context, UniqueFd accepted);
    ~Negotiation() override;

    /// Arms the timeout and waits for the first byte; in client mode, connects to the `first` target and says
    /// `preface` there, in front of the handshake.
    void start(Instant until, std::size_t first_target, std::vector<std::uint8_t> preface = {});

   private:
    enum class State : std::uint8_t { connecting, silent, handshaking, flushing, over };

    void on_events(std::uint32_t events) override;
    void on_deadline() override;
    void on_connected(Result<UniqueFd> socket);
    void begin_client();

    /// Reads what is there, up to the end of a record that made the session answer or finished the handshake.
    void read_records();
    /// One read; true when there may be more to read at once.
    [[nodiscard]] bool read_piece();
    /// A whole record is there; true as above.
    [[nodiscard]] bool on_record();
    [[nodiscard]] Result<void> feed_record();
    /// What is to be sent next: the preface, and then the session's output.
    [[nodiscard]] Bytes unsent() const;
    void sent(std::size_t count);
    /// Writes it; true when nothing is left.
    [[nodiscard]] bool flush();
    void watch(std::uint32_t events);
    void finish();
    void give_up(const Error& error);
    void leave();

    Loop& loop_;
    Owner& owner_;
    const TlsService& service_;
    const tls::Context& context_;
    UniqueFd tls_;
    UniqueFd plain_;
    std::unique_ptr<tls::Session> session_;
    std::unique_ptr<Connector> connector_;
    tls::RecordReader reader_;
    std::vector<std::uint8_t> preface_;
    State state_ = State::silent;
    std::uint32_t watched_ = 0;
};

}  // namespace keysluice
