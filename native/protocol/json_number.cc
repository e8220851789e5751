// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "protocol/json_number.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

namespace serving::protocol {
namespace {

constexpr char kInvalidValue[] = "Invalid value.";

bool IsDigit(const char* at, const char* end) { return at != end && *at >= '0' && *at <= '9'; }

const char* SkipDigits(const char* at, const char* end) {
  while (IsDigit(at, end)) ++at;
  return at;
}

// Consumes as much of `word` as is there.
const char* SkipWord(const char* at, const char* end, std::string_view word) {
  for (const char c : word) {
    if (at == end || *at != c) return at;
    ++at;
  }
  return at;
}

JsonNumberScan ScanNotANumber(const char* at, const char* end) {
  if (at != end && *at == 'N') {
    const char* behind = SkipWord(at, end, "NaN");
    return {behind, behind - at == 3 ? nullptr : kInvalidValue};
  }
  const char* behind = SkipWord(at, end, "Inf");
  if (behind - at != 3) return {behind, kInvalidValue};
  if (behind == end || *behind != 'i') return {behind, nullptr};
  at = behind;
  behind = SkipWord(at, end, "inity");
  return {behind, behind - at == 5 ? nullptr : kInvalidValue};
}

// Decimal exponent of a text that std::from_chars found out of range: far from 0 on one side or the
// other.
bool IsTiny(std::string_view text) {
  int64_t exponent = 0;
  int64_t leading = 0;  // digits in front of the point, or minus the zeros behind it
  bool seen_digit = false;
  bool behind_point = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == 'e' || c == 'E') {
      std::string_view rest = text.substr(i + 1);
      if (rest.starts_with('+')) rest.remove_prefix(1);
      const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), exponent);
      if (parsed.ec == std::errc::result_out_of_range) return rest.starts_with('-');
      break;
    }
    if (c == '.') behind_point = true;
    if (c < '0' || c > '9') continue;
    if (c != '0') seen_digit = true;
    if (!behind_point && seen_digit) ++leading;
    if (behind_point && !seen_digit) --leading;
  }
  return exponent < -leading;
}

// `text` is a plain decimal number. Infinity when it is too large.
double ToDouble(std::string_view text) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc::result_out_of_range) return value;
  const double magnitude = IsTiny(text) ? 0.0 : std::numeric_limits<double>::infinity();
  return text.starts_with('-') ? -magnitude : magnitude;
}

constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr int kMaxExactPower = 22;
constexpr uint64_t kMaxExactMantissa = uint64_t{1} << 53;
constexpr int kMaxDigits = 18;  // whatever they are, they fit 63 bits

// Reads digits into `value`; null when there are none or more than kMaxDigits, or a superfluous
// leading 0.
const char* ReadDigits(const char* at, const char* end, uint64_t& value) {
  const char* first = at;
  uint64_t sum = 0;
  while (IsDigit(at, end)) sum = sum * 10 + static_cast<uint64_t>(*at++ - '0');
  const auto count = at - first;
  if (count == 0 || count > kMaxDigits || (*first == '0' && count > 1)) return nullptr;
  value = sum;
  return at;
}

bool EndsInteger(const char* at, const char* end) {
  return at == end || (*at != '.' && *at != 'e' && *at != 'E');
}

}  // namespace

JsonNumberScan ScanJsonNumber(const char* at, const char* end) {
  const char* first = at;
  if (at != end && *at == '-') ++at;
  if (at != end && (*at == 'N' || *at == 'I')) return ScanNotANumber(at, end);
  if (!IsDigit(at, end)) return {at, kInvalidValue};
  bool may_be_large = false;
  const char* digits = at;
  at = *at == '0' ? at + 1 : SkipDigits(at, end);
  may_be_large = at - digits > std::numeric_limits<double>::max_exponent10;
  if (at != end && *at == '.') {
    ++at;
    if (!IsDigit(at, end)) return {at, "Miss fraction part in number."};
    at = SkipDigits(at, end);
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at != end && (*at == '+' || *at == '-')) ++at;
    if (!IsDigit(at, end)) return {at, "Miss exponent in number."};
    at = SkipDigits(at, end);
    may_be_large = true;
  }
  if (may_be_large && std::isinf(ToDouble({first, static_cast<size_t>(at - first)}))) {
    return {first, "Number too big to be stored in double."};
  }
  return {at, nullptr};
}

std::optional<JsonNumber> ReadJsonNumber(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  const std::string_view bare = text.substr(is_negative ? 1 : 0);
  if (bare.empty()) return std::nullopt;
  if (bare[0] == 'N') return std::numeric_limits<double>::quiet_NaN();
  if (bare[0] == 'I') {
    const double infinity = std::numeric_limits<double>::infinity();
    return is_negative ? -infinity : infinity;
  }
  if (bare[0] < '0' || bare[0] > '9') return std::nullopt;
  const char* end = text.data() + text.size();
  if (text.find_first_of(".eE") == std::string_view::npos && text != "-0") {
    int64_t whole;
    if (std::from_chars(text.data(), end, whole).ec == std::errc()) return whole;
    uint64_t large;
    if (!is_negative && std::from_chars(text.data(), end, large).ec == std::errc()) return large;
  }
  if (text == "-0") return int64_t{0};
  return ToDouble(text);
}

std::optional<int64_t> AsSigned(const std::optional<JsonNumber>& number) {
  if (!number || !std::holds_alternative<int64_t>(*number)) return std::nullopt;
  return std::get<int64_t>(*number);
}

std::optional<uint64_t> AsUnsigned(const std::optional<JsonNumber>& number) {
  if (!number) return std::nullopt;
  if (const auto* large = std::get_if<uint64_t>(&*number)) return *large;
  const auto* small = std::get_if<int64_t>(&*number);
  if (small == nullptr || *small < 0) return std::nullopt;
  return static_cast<uint64_t>(*small);
}

std::optional<double> AsReal(const std::optional<JsonNumber>& number) {
  if (!number) return std::nullopt;
  return std::visit([](auto value) { return static_cast<double>(value); }, *number);
}

// A mantissa up to 2^53 times or divided by an exact power of ten is one rounding, hence correct;
// the rest goes to std::from_chars.
const char* ReadRealFast(const char* at, const char* end, double& value) {
  const char* first = at;
  const bool is_negative = at != end && *at == '-';
  if (is_negative) ++at;
  const char* digits = at;
  uint64_t mantissa = 0;
  while (IsDigit(at, end)) mantissa = mantissa * 10 + static_cast<uint64_t>(*at++ - '0');
  auto count = at - digits;
  if (count == 0 || (*digits == '0' && count > 1)) return nullptr;
  if (is_negative && count == 1 && *digits == '0' && EndsInteger(at, end)) {
    value = 0;  // the integer -0
    return at;
  }
  int exponent = 0;
  if (at != end && *at == '.') {
    const char* fraction = ++at;
    while (IsDigit(at, end)) mantissa = mantissa * 10 + static_cast<uint64_t>(*at++ - '0');
    if (at == fraction) return nullptr;
    count += at - fraction;
    exponent = -static_cast<int>(std::min<ptrdiff_t>(at - fraction, 1000));
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    ++at;
    const bool minus = at != end && *at == '-';
    if (at != end && (*at == '+' || *at == '-')) ++at;
    const char* power_digits = at;
    int power = 0;
    while (IsDigit(at, end) && at - power_digits < 4) power = power * 10 + (*at++ - '0');
    if (at == power_digits || IsDigit(at, end)) return nullptr;
    exponent += minus ? -power : power;
  }
  if (count <= kMaxDigits && mantissa <= kMaxExactMantissa && exponent >= -kMaxExactPower &&
      exponent <= kMaxExactPower) {
    const auto exact = static_cast<double>(mantissa);
    value = exponent < 0 ? exact / kPowersOfTen[-exponent] : exact * kPowersOfTen[exponent];
    if (is_negative) value = -value;
    return at;
  }
  const auto parsed = std::from_chars(first, at, value);
  return parsed.ec == std::errc() ? at : nullptr;
}

const char* ReadSignedFast(const char* at, const char* end, int64_t& value) {
  const bool is_negative = at != end && *at == '-';
  uint64_t magnitude;
  at = ReadDigits(is_negative ? at + 1 : at, end, magnitude);
  if (at == nullptr || !EndsInteger(at, end)) return nullptr;
  value = is_negative ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
  return at;
}

const char* ReadUnsignedFast(const char* at, const char* end, uint64_t& value) {
  at = ReadDigits(at, end, value);
  return at != nullptr && EndsInteger(at, end) ? at : nullptr;
}

}  // namespace serving::protocol
