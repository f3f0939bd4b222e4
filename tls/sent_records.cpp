#include "tls/sent_records.hpp"

#include <tuple>
#include <utility>

#include "tls/record.hpp"

namespace keysluice::tls {

void SentRecords::note(Bytes flight) {
    in_last_flight_ = 0;
    Reader records(flight);
    while (!records.rest().empty()) {
        const auto type = records.be<std::uint8_t>();
        std::ignore = records.be<std::uint16_t>();
        Reader body(records.prefixed<std::uint16_t>());
        ++in_last_flight_;
        if (cipher_changed_ && type == std::to_underlying(ContentType::handshake)) {
            finished_nonce_ = body.be<std::uint64_t>();
            cipher_changed_ = false;
        } else if (type == std::to_underlying(ContentType::change_cipher_spec)) {
            cipher_changed_ = true;
        }
    }
}

}  // namespace keysluice::tls
