#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "crypto/openssl.hpp"

namespace keysluice::crypto {

/// OpenSSL's view of bytes, which must outlive it.
[[nodiscard]] inline BioPtr bio_over(Bytes bytes) {
    return BioPtr{BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size()))};
}

/// The bytes of a regular file of at most 8 MiB; they may be a private key, so they are wiped.
class FileBytes {
   public:
    /// Or what is wrong, as the rest of a sentence.
    static std::expected<FileBytes, std::string> read(const std::filesystem::path& file);
    /// Of one that is open already: all of it, wherever others read.
    static std::expected<FileBytes, std::string> read(int file);

    FileBytes(FileBytes&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }
    FileBytes& operator=(FileBytes&&) = delete;
    FileBytes(const FileBytes&) = delete;
    FileBytes& operator=(const FileBytes&) = delete;
    ~FileBytes();

    [[nodiscard]] Bytes view() const { return bytes_; }
    /// OpenSSL's view of the bytes, which must outlive it.
    [[nodiscard]] BioPtr reader() const { return bio_over(bytes_); }

   private:
    explicit FileBytes(std::size_t size) : bytes_(size) {}

    std::vector<std::uint8_t> bytes_;
};

}  // namespace keysluice::crypto
