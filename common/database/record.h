// Plain structs as rows of a table. A room says once which member stands in which column, by a
// specialisation of TableOf; putting and reading follow from it.
//
//   template <> struct TableOf<Pet> {
//     static constexpr std::string_view kName = "pet";
//     static constexpr std::string_view kKey = "id";   // what a row is replaced by; "a, b" for two
//     static constexpr std::array kColumns = {"id", "name"};
//     static auto Fields(auto& pet) { return std::tie(pet.id, pet.name); }
//   };
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/database/connection.h"

namespace holdfast {

template <typename Record>
struct TableOf;

// How a member is kept in its column: as it is, unless a specialisation says otherwise. Decode()
// takes what Encode() gives.
template <typename T>
struct ColumnOf {
  using Stored = T;
  static const T& Encode(const T& value) { return value; }
  static Result<T> Decode(Stored stored) { return stored; }
};
// SQLite counts to 2^63-1, and what comes from elsewhere may be larger: the upper half is kept as
// negative numbers, so that nobody's nonsense makes a transaction fail.
template <>
struct ColumnOf<std::uint64_t> {
  using Stored = std::int64_t;
  static Stored Encode(std::uint64_t value) { return static_cast<Stored>(value); }
  static Result<std::uint64_t> Decode(Stored stored) { return static_cast<std::uint64_t>(stored); }
};
// As numbers; the table's CHECK keeps others out.
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
Result<void> RunWithFields(Connection& connection, std::string_view sql, const Record& record) {
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

// `Fields` is a tuple of references to a record's members.
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

// Inserts the row, or replaces what the one of the same key holds.
template <typename Record>
Result<void> PutRecord(Connection& connection, const Record& record) {
  static const std::string kSql = record_detail::PutText<Record>();
  return record_detail::RunWithFields(connection, kSql, record);
}

// Inserts the row unless there is one of the same key; says whether it did.
template <typename Record>
Result<bool> AddRecord(Connection& connection, const Record& record) {
  static const std::string kSql = record_detail::InsertText<Record>() + "NOTHING";
  HF_TRY(record_detail::RunWithFields(connection, kSql, record));
  return connection.changed_rows() != 0;
}

// "SELECT <columns> FROM <table> <rest>"; what ReadRecord() reads. `rest` is a text of the program.
template <typename Record>
std::string SelectText(std::string_view rest) {
  return "SELECT " + record_detail::ColumnList<Record>() + " FROM " +
         std::string(TableOf<Record>::kName) + " " + std::string(rest);
}

// The statement's current row, which SelectText<Record>() has asked for.
template <typename Record>
Result<Record> ReadRecord(const Statement& row) {
  Record record;
  auto fields = TableOf<Record>::Fields(record);
  static_assert(std::tuple_size_v<decltype(fields)> == TableOf<Record>::kColumns.size());
  HF_TRY(record_detail::ReadFields(row, fields,
                                   std::make_index_sequence<TableOf<Record>::kColumns.size()>()));
  return record;
}

// Every row of `statement`, at most as many as it asks for.
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

}  // namespace holdfast
