// One prepared SQL statement. Values go in and come out with their types; what the database holds
// in another type than the program expects is kCorrupt, never converted.
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

class Connection;
struct DatabaseHandle;
struct StatementHandle;

// Made by Connection::Query() and Prepare(); must not outlive its connection, and is used by the
// same thread. Going out of scope gives it back to the connection, which keeps it for the next
// time.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  // Binds the statement's parameters from the first on, and starts it anew: integers, bool, enums,
  // double, text, bytes, optional values; nullopt is NULL. What SQLite cannot hold (above 2^63-1)
  // is kInvalidArgument in the next call of Next() or Run(). Texts and bytes are copied.
  template <typename... Values>
  Statement& Bind(const Values&... values) {
    Reset();
    int index = 0;
    (BindOne(++index, values), ...);
    return *this;
  }

  // Steps to the next row; false: there is none, and the statement may be bound again.
  Result<bool> Next();
  // Runs a statement that has no rows to give; rows that it gives all the same are skipped.
  Result<void> Run();

  // The current row's columns from the first on. NULL fits optional values only.
  // REQUIRES: the last Next() was true.
  template <typename... Into>
  Result<void> Read(Into&... into) const {
    Result<void> outcome;
    int column = -1;
    ((outcome = outcome ? ReadOne(++column, into) : std::move(outcome)), ...);
    return outcome;
  }

  // One column of the current row, which is text; for rows whose columns only the caller's SQL
  // knows.
  Result<std::string> Text(int column) const {
    std::string text;
    HF_TRY(ReadOne(column, text));
    return text;
  }

 private:
  friend class Connection;
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
    } else if constexpr (std::floating_point<T>) {
      BindReal(index, value);
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
  Result<void> ReadOne(int column, double& into) const;
  Result<void> ReadOne(int column, std::string& into) const;
  Result<void> ReadOne(int column, Bytes& into) const;

  void Reset();
  void BindNull(int index);
  void BindInteger(int index, std::int64_t value);
  void BindReal(int index, double value);
  void BindText(int index, std::string_view value);
  void BindBlob(int index, ByteView value);
  void RefuseValue(int index);
  void Remember(int index, int code);

  bool IsNull(int column) const;
  Result<std::int64_t> Integer(int column) const;
  Result<ByteView> Blob(int column) const;
  // REQUIRES: the column exists; a program that reads more than it asked for is a bug.
  Result<void> Expect(int column, int type) const;
  std::unexpected<Error> OutOfRange(int column) const;

  DatabaseHandle* database_;
  std::unique_ptr<StatementHandle> handle_;
};

}  // namespace holdfast
