// One prepared SQL statement. Values are typed in both directions: a stored value of an unexpected
// type is kCorrupt, never converted.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast {

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};

class Database;
struct DatabaseHandle;
struct StatementHandle;

// Created by Database::Query() and Prepare(). Must not outlive its Database, and must be used on
// the same thread. On destruction it returns to the Database, which caches it.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  // Restarts the statement and binds its parameters in order: integers, bool, enums, text, bytes,
  // optional values; nullopt is NULL. For a value that SQLite cannot hold (above 2^63-1),
  // the next Next() or Run() returns kInvalidArgument. Texts and bytes are copied.
  template <typename... Values>
  Statement& Bind(const Values&... values) {
    Reset();
    int index = 0;
    (BindOne(++index, values), ...);
    return *this;
  }

  // Steps to the next row. False: no more rows, and the statement may be bound again.
  Result<bool> Next();
  // Runs the statement and skips its rows.
  Result<void> Run();

  // Reads the current row's columns in order. NULL only fits optional values. REQUIRES: the last
  // Next() was true.
  template <typename... Into>
  Result<void> Read(Into&... into) const {
    Result<void> outcome;
    int column = -1;
    ((outcome = outcome ? ReadOne(++column, into) : std::move(outcome)), ...);
    return outcome;
  }

  // One text column of the current row, for columns that only the caller's SQL determines.
  Result<std::string> Text(int column) const {
    std::string text;
    HF_TRY(ReadOne(column, text));
    return text;
  }

 private:
  friend class Database;
  Statement(DatabaseHandle& database, std::unique_ptr<StatementHandle> handle);

  template <typename T>
  void BindOne(int index, const T& value) {
    if constexpr (std::is_same_v<T, std::nullopt_t>) {
      BindNull(index);
    } else if constexpr (IsOptional<T>::value) {
      value.has_value() ? BindOne(index, *value) : BindNull(index);
    } else if constexpr (std::is_enum_v<T>) {
      BindOne(index, static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (std::is_same_v<T, bool>) {
      BindInteger(index, value ? 1 : 0);
    } else if constexpr (std::integral<T>) {
      std::in_range<std::int64_t>(value) ? BindInteger(index, static_cast<std::int64_t>(value))
                                         : RefuseValue(index);
    } else if constexpr (std::convertible_to<const T&, std::string_view>) {
      BindText(index, value);
    } else {
      BindBlob(index, ByteView(value));
    }
  }

  template <typename T>
  Result<void> ReadOne(int column, std::optional<T>& into) const {
    if (IsNull(column)) {
      into = std::nullopt;
      return {};
    }
    return ReadOne(column, into.emplace());
  }
  template <std::integral T>
  Result<void> ReadOne(int column, T& into) const {
    HF_ASSIGN(std::int64_t value, Integer(column));
    if constexpr (std::is_same_v<T, bool>) {
      if (value != 0 && value != 1) return OutOfRange(column);
      into = value == 1;
    } else {
      if (!std::in_range<T>(value)) return OutOfRange(column);
      into = static_cast<T>(value);
    }
    return {};
  }
  template <std::size_t Size>
  Result<void> ReadOne(int column, std::array<std::uint8_t, Size>& into) const {
    HF_ASSIGN(ByteView bytes, Blob(column));
    if (bytes.size() != Size) return OutOfRange(column);
    std::copy(bytes.begin(), bytes.end(), into.begin());
    return {};
  }
  Result<void> ReadOne(int column, std::string& into) const;
  Result<void> ReadOne(int column, Bytes& into) const;

  void Reset();
  void BindNull(int index);
  void BindInteger(int index, std::int64_t value);
  void BindText(int index, std::string_view value);
  void BindBlob(int index, ByteView value);
  void RefuseValue(int index);
  void Remember(int index, int code);

  bool IsNull(int column) const;
  Result<std::int64_t> Integer(int column) const;
  Result<ByteView> Blob(int column) const;
  // REQUIRES: the column exists; reading more columns than selected is a bug.
  Result<void> Expect(int column, int type) const;
  std::unexpected<Error> OutOfRange(int column) const;

  DatabaseHandle* database_;
  std::unique_ptr<StatementHandle> handle_;
};

}  // namespace holdfast
