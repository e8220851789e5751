// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Written by scripts/gen-status.ts from protos/status.json. Do not edit.

#pragma once

#include <cstdint>
#include <string_view>

namespace serving::base {

// Canonical gRPC numbers.
enum class StatusCode : uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kUnauthenticated = 16,
};

// The HTTP status that carries this code.
constexpr int HttpStatus(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return 200;
    case StatusCode::kCancelled:
      return 400;
    case StatusCode::kUnknown:
      return 400;
    case StatusCode::kInvalidArgument:
      return 400;
    case StatusCode::kDeadlineExceeded:
      return 504;
    case StatusCode::kNotFound:
      return 404;
    case StatusCode::kAlreadyExists:
      return 400;
    case StatusCode::kPermissionDenied:
      return 403;
    case StatusCode::kResourceExhausted:
      return 429;
    case StatusCode::kUnimplemented:
      return 501;
    case StatusCode::kInternal:
      return 500;
    case StatusCode::kUnavailable:
      return 503;
    case StatusCode::kUnauthenticated:
      return 401;
  }
  return 500;
}

// The code as gRPC spells it: INVALID_ARGUMENT.
constexpr std::string_view Name(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return "OK";
    case StatusCode::kCancelled:
      return "CANCELLED";
    case StatusCode::kUnknown:
      return "UNKNOWN";
    case StatusCode::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case StatusCode::kDeadlineExceeded:
      return "DEADLINE_EXCEEDED";
    case StatusCode::kNotFound:
      return "NOT_FOUND";
    case StatusCode::kAlreadyExists:
      return "ALREADY_EXISTS";
    case StatusCode::kPermissionDenied:
      return "PERMISSION_DENIED";
    case StatusCode::kResourceExhausted:
      return "RESOURCE_EXHAUSTED";
    case StatusCode::kUnimplemented:
      return "UNIMPLEMENTED";
    case StatusCode::kInternal:
      return "INTERNAL";
    case StatusCode::kUnavailable:
      return "UNAVAILABLE";
    case StatusCode::kUnauthenticated:
      return "UNAUTHENTICATED";
  }
  return "UNKNOWN";
}

// The code of a number from the wire or from JavaScript; kUnknown for numbers outside the table.
constexpr StatusCode StatusCodeFromNumber(int number) {
  switch (number) {
    case 0:
      return StatusCode::kOk;
    case 1:
      return StatusCode::kCancelled;
    case 2:
      return StatusCode::kUnknown;
    case 3:
      return StatusCode::kInvalidArgument;
    case 4:
      return StatusCode::kDeadlineExceeded;
    case 5:
      return StatusCode::kNotFound;
    case 6:
      return StatusCode::kAlreadyExists;
    case 7:
      return StatusCode::kPermissionDenied;
    case 8:
      return StatusCode::kResourceExhausted;
    case 12:
      return StatusCode::kUnimplemented;
    case 13:
      return StatusCode::kInternal;
    case 14:
      return StatusCode::kUnavailable;
    case 16:
      return StatusCode::kUnauthenticated;
    default:
      return StatusCode::kUnknown;
  }
}

}  // namespace serving::base
