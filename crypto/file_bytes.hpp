#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "crypto/openssl.hpp"

namespace keysluice::crypto {

/// The bytes of a regular file of at most 8 MiB; they may be a private key, so they are wiped.
class FileBytes {
   public:
    /// Or what is wrong, as the rest of a sentence.
    static std::expected<FileBytes, std::string> read(const std::filesystem::path& file);

    FileBytes(FileBytes&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }
    FileBytes& operator=(FileBytes&&) = delete;
    FileBytes(const FileBytes&) = delete;
    FileBytes& operator=(const FileBytes&) = delete;
    ~FileBytes();

    [[nodiscard]] Bytes view() const { return bytes_; }
    /// OpenSSL's view of the bytes, which must outlive it.
    [[nodiscard]] BioPtr reader() const {
        return BioPtr{BIO_new_mem_buf(bytes_.data(), static_cast<int>(bytes_.size()))};
    }

   private:
    explicit FileBytes(std::size_t size) : bytes_(size) {}

    std::vector<std::uint8_t> bytes_;
};

}  // namespace keysluice::crypto
