// The first byte says in which chunks the rest arrives, as a socket would give it.
#include <algorithm>
#include <cstdlib>

#include "tls/hello.hpp"
#include "tls/record.hpp"
#include "tls/sent_records.hpp"

using namespace keysluice;

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void read_records(Bytes stream, std::size_t chunk) {
    tls::RecordReader reader;
    std::size_t start = 0;
    std::size_t position = 0;
    while (position < stream.size()) {
        const MutableBytes room = reader.want();
        require(!room.empty());
        const std::size_t count = std::min({room.size(), chunk, stream.size() - position});
        std::ranges::copy(stream.subspan(position, count), room.begin());
        position += count;
        const auto whole = reader.got(count);
        require(std::ranges::equal(reader.record(), stream.subspan(start, position - start)));
        if (!whole) {
            require(reader.record().size() == tls::kRecordHeaderSize);
            return;
        }
        if (*whole) {
            require(reader.record().size() <= tls::kRecordHeaderSize + tls::kMaxCiphertext);
            reader.next();
            start = position;
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const Bytes stream = Bytes{data, size}.subspan(1);
    read_records(stream, std::size_t{data[0]} + 1);
    static_cast<void>(tls::offers_tls13(stream));
    require(tls::server_name_in(stream).size() < stream.size() || stream.empty());
    static_cast<void>(tls::has_extended_master_secret(stream));
    tls::SentRecords sent;
    sent.note(stream);
    return 0;
}
