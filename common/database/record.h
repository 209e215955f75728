// Plain structs as rows of a table. A specialisation of TableOf maps members to columns once;
// writing and reading use it.
//
//   template <> struct TableOf<Pet> {
//     static constexpr std::string_view kName = "pet";
//     static constexpr std::string_view kKey = "id";   // identifies a row; "a, b" for two
//     static constexpr std::array kColumns = {"id", "name"};
//     static auto Fields(auto& pet) { return std::tie(pet.id, pet.name); }
//   };
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/database/database.h"

namespace holdfast {

template <typename Record>
struct TableOf;

// How a member is stored in its column: unchanged, unless a specialisation says otherwise. Decode()
// reverses Encode().
template <typename T>
struct ColumnOf {
  using Stored = T;
  static const T& Encode(const T& value) { return value; }
  static Result<T> Decode(Stored stored) { return stored; }
};
// SQLite's integers end at 2^63-1, and values from outside may be larger. The upper half is stored
// as negative numbers, so that invalid input cannot make a transaction fail.
template <>
struct ColumnOf<std::uint64_t> {
  using Stored = std::int64_t;
  static Stored Encode(std::uint64_t value) { return static_cast<Stored>(value); }
  static Result<std::uint64_t> Decode(Stored stored) { return static_cast<std::uint64_t>(stored); }
};
// For binding a number as a parameter.
inline std::int64_t StoredInteger(std::uint64_t value) {
  return ColumnOf<std::uint64_t>::Encode(value);
}
// Stored as numbers; the table's CHECK refuses other values.
template <typename T>
  requires std::is_enum_v<T>
struct ColumnOf<T> {
  using Stored = std::underlying_type_t<T>;
  static Stored Encode(T value) { return static_cast<Stored>(value); }
  static Result<T> Decode(Stored stored) { return static_cast<T>(stored); }
};

namespace record_detail {

template <typename Record>
std::string ColumnList() {
  std::string list;
  for (std::string_view column : TableOf<Record>::kColumns) {
    list += list.empty() ? "" : ", ";
    list += column;
  }
  return list;
}

template <typename Record>
std::string InsertText() {
  std::string values;
  for (std::size_t i = 0; i < TableOf<Record>::kColumns.size(); ++i) {
    values += values.empty() ? "?" : ", ?";
  }
  return "INSERT INTO " + std::string(TableOf<Record>::kName) + "(" + ColumnList<Record>() +
         ") VALUES (" + values + ") ON CONFLICT(" + std::string(TableOf<Record>::kKey) + ") DO ";
}

template <typename Record>
std::string PutText() {
  std::string updates;
  std::string keys = ", " + std::string(TableOf<Record>::kKey) + ",";
  for (std::string_view column : TableOf<Record>::kColumns) {
    std::string name(column);
    if (keys.find(", " + name + ",") != std::string::npos) continue;
    updates += updates.empty() ? "" : ", ";
    updates.append(name).append(" = excluded.").append(name);
  }
  return InsertText<Record>() + (updates.empty() ? "NOTHING" : "UPDATE SET " + updates);
}

template <typename Record>
Result<void> RunWithFields(Database& connection, std::string_view sql, const Record& record) {
  return std::apply(
      [&](const auto&... field) {
        return connection.Run(sql,
                              ColumnOf<std::remove_cvref_t<decltype(field)>>::Encode(field)...);
      },
      TableOf<Record>::Fields(record));
}

template <typename T>
Result<void> Decode(typename ColumnOf<T>::Stored& stored, T& into) {
  HF_ASSIGN(into, ColumnOf<T>::Decode(std::move(stored)));
  return {};
}

// `fields` is a tuple of references to a record's members.
template <typename... Members, std::size_t... Indexes>
Result<void> ReadFields(const Statement& row, std::tuple<Members&...> fields,
                        std::index_sequence<Indexes...> /*of fields*/) {
  std::tuple<typename ColumnOf<Members>::Stored...> stored;
  HF_TRY(row.Read(std::get<Indexes>(stored)...));
  Result<void> outcome;
  ((outcome = outcome ? Decode(std::get<Indexes>(stored), std::get<Indexes>(fields))
                      : std::move(outcome)),
   ...);
  return outcome;
}

}  // namespace record_detail

// Inserts the row, or updates the one with the same key.
template <typename Record>
Result<void> PutRecord(Database& connection, const Record& record) {
  static const std::string kSql = record_detail::PutText<Record>();
  return record_detail::RunWithFields(connection, kSql, record);
}

// Inserts the row unless its key exists. Returns whether it did.
template <typename Record>
Result<bool> AddRecord(Database& connection, const Record& record) {
  static const std::string kSql = record_detail::InsertText<Record>() + "NOTHING";
  HF_TRY(record_detail::RunWithFields(connection, kSql, record));
  return connection.changed_rows() != 0;
}

// "SELECT <columns> FROM <table> <rest>", for ReadRecord(). `rest` never contains input.
template <typename Record>
std::string SelectText(std::string_view rest) {
  return "SELECT " + record_detail::ColumnList<Record>() + " FROM " +
         std::string(TableOf<Record>::kName) + " " + std::string(rest);
}

// The current row of a statement from SelectText<Record>().
template <typename Record>
Result<Record> ReadRecord(const Statement& row) {
  Record record;
  auto fields = TableOf<Record>::Fields(record);
  static_assert(std::tuple_size_v<decltype(fields)> == TableOf<Record>::kColumns.size());
  HF_TRY(record_detail::ReadFields(row, fields,
                                   std::make_index_sequence<TableOf<Record>::kColumns.size()>()));
  return record;
}

// All rows of `statement`.
template <typename Record>
Result<std::vector<Record>> ReadRecords(Statement statement) {
  std::vector<Record> records;
  for (;;) {
    HF_ASSIGN(bool has_row, statement.Next());
    if (!has_row) return records;
    HF_ASSIGN(Record record, ReadRecord<Record>(statement));
    records.push_back(std::move(record));
  }
}

// Runs SelectText<Record>(rest) with `values` bound to its parameters, and reads all rows.
template <typename Record, typename... Values>
Result<std::vector<Record>> ReadRecords(Database& connection, std::string_view rest,
                                        const Values&... values) {
  HF_ASSIGN(Statement statement, connection.Query(SelectText<Record>(rest), values...));
  return ReadRecords<Record>(std::move(statement));
}

}  // namespace holdfast
