#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace drystill::journal {

// Small whole files of a run folder. Every failure is a RunError "cannot write <path>: <reason>", except where said.

// Throws InputError where the file is missing, unreadable or larger than `limit` bytes.
std::string read_text(const std::filesystem::path& path, std::uint64_t limit = std::uint64_t{1} << 30);

// Appends to the file, made where missing.
void append_text(const std::filesystem::path& path, std::string_view text);

// Writes all of `bytes` to an open file; `path` is for the message.
void write_all(int file, std::string_view bytes, const std::filesystem::path& path);

// "cannot <doing> <path>: <text of errno>" as a RunError.
[[noreturn]] void throw_errno(std::string_view doing, const std::filesystem::path& path, int error);

// Seconds since 1970 as UTC, "2026-01-31T12:00:00Z".
std::string utc_time(std::int64_t seconds);
std::string utc_now();

}  // namespace drystill::journal
