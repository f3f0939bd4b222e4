#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>

#include "dbus/compat.hpp"
#include "dbus/dump_file.hpp"

namespace keysluice::bus {

/// Memory files that are being written, page by page, and then answer a call.
class Dumps {
   public:
    static constexpr std::size_t kMost = 4;
    static constexpr std::ptrdiff_t kMostOfOne = 2;  ///< of one caller

    struct Page {
        std::string lines;
        std::optional<std::uint64_t> next;  ///< nothing: that was the last one
    };
    using Take = std::move_only_function<void(const Result<Page>& page)>;
    /// Asks for the page behind this cursor, 0 for the first one, and has it taken; never after Dumps are gone.
    using Ask = std::function<void(std::uint64_t after, Take take)>;

    /// Fails with "too-many-calls" and "memory-file-failed".
    void begin(sdbus::Result<sdbus::UnixFd>&& result, const std::string& caller, Ask ask);

   private:
    struct Dump {
        sdbus::Result<sdbus::UnixFd> result;
        std::string caller;
        Ask ask;
        DumpFile file;
    };

    void write_page(std::list<Dump>::iterator dump, std::uint64_t after);
    void on_page(std::list<Dump>::iterator dump, const Result<Page>& page);

    std::list<Dump> dumps_;
};

}  // namespace keysluice::bus
