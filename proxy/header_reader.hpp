#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "proxy/header.hpp"

namespace keysluice::proxy {

/// Which versions a reader takes.
struct Versions {
    bool v1 = true;
    bool v2 = true;
};

/// Of version 2, whose senders may add what they like: it is more than HAProxy needs with a client's certificate.
inline constexpr std::size_t kLongestHeader = 4096;

/// Reads the header at the start of a connection, and nothing behind it.
///
/// Show it what has come (recv with MSG_PEEK); take() says how much of that is the header's, which is then to be
/// taken out of the socket, so that what follows is still there for whoever reads it next. It holds no heap before
/// the first octet, and says no as soon as an octet can't be a header's.
class HeaderReader {
   public:
    explicit HeaderReader(Versions versions) : versions_(versions) {}

    /// How many of the octets, which follow on those that were taken before, are the header's. Less than all of them
    /// only when it is complete.
    ///
    /// Fails with "proxy-header-missing" (another protocol), "proxy-header-version" (a version that is not taken) or
    /// "proxy-header-malformed". Do not ask again then.
    Result<std::size_t> take(Bytes octets);
    [[nodiscard]] bool complete() const { return complete_; }
    /// Once it is complete. LOCAL, UNKNOWN and UNSPEC are a header without ends, and so is UDP.
    [[nodiscard]] const Header& header() const { return header_; }

   private:
    Result<void> add(std::uint8_t octet);
    Result<void> check_beginning();
    Result<void> add_to_line();
    Result<void> add_to_block();

    Versions versions_;
    std::vector<std::uint8_t> read_;
    bool complete_ = false;
    Header header_;
};

}  // namespace keysluice::proxy
