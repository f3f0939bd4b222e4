#include "dbus/dumps.hpp"

#include <algorithm>
#include <utility>

#include "dbus/errors.hpp"

namespace keysluice::bus {

void Dumps::begin(sdbus::Result<sdbus::UnixFd>&& result, const std::string& caller, Ask ask) {
    auto file = DumpFile::create();
    if (!file) {
        refuse(result, to_bus_error(file.error()));
        return;
    }
    if (dumps_.size() >= kMost || std::ranges::count(dumps_, caller, &Dump::caller) >= kMostOfOne) {
        refuse(result, to_bus_error(Error{"too-many-calls",
                                          "4 dumps are being written already, or 2 for this caller; try "
                                          "again"}));
        return;
    }
    dumps_.push_front(
        {.result = std::move(result), .caller = caller, .ask = std::move(ask), .file = *std::move(file)});
    write_page(dumps_.begin(), 0);
}

void Dumps::write_page(std::list<Dump>::iterator dump, std::uint64_t after) {
    dump->ask(after, [this, dump](const Result<Page>& page) { on_page(dump, page); });
}

void Dumps::on_page(std::list<Dump>::iterator dump, const Result<Page>& page) {
    Result<void> written;
    if (!page) {
        written = std::unexpected(page.error());
    } else {
        written = dump->file.append(page->lines);
    }
    if (const auto next = page ? page->next : std::nullopt; written && next) {
        write_page(dump, *next);
        return;
    }
    auto sealed = written ? std::move(dump->file).seal() : Result<UniqueFd>(std::unexpected(written.error()));
    if (sealed) {
        answer(dump->result, sdbus::UnixFd{sealed->release(), sdbus::adopt_fd});
    } else {
        refuse(dump->result, to_bus_error(sealed.error()));
    }
    dumps_.erase(dump);
}

}  // namespace keysluice::bus
