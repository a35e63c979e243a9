#include "plugin/boundary.hpp"

namespace llorch::plugin {

std::string status_name(llorch_status status) {
  switch (status) {
    case LLORCH_OK:
      return "OK";
    case LLORCH_NO_KV_SPACE:
      return "NO_KV_SPACE";
    case LLORCH_CANCELLED:
      return "CANCELLED";
    case LLORCH_INVALID_ARGUMENT:
      return "INVALID_ARGUMENT";
    case LLORCH_UNSUPPORTED:
      return "UNSUPPORTED";
    case LLORCH_NOT_FOUND:
      return "NOT_FOUND";
    case LLORCH_OUT_OF_MEMORY:
      return "OUT_OF_MEMORY";
    case LLORCH_BAD_MODEL:
      return "BAD_MODEL";
    case LLORCH_BAD_STATE:
      return "BAD_STATE";
    case LLORCH_DEVICE_ERROR:
      return "DEVICE_ERROR";
    case LLORCH_INTERNAL:
      return "INTERNAL";
    default:
      return fmt::format("status {}", status);
  }
}

ErrorCode error_code_of(llorch_status status) noexcept {
  switch (status) {
    case LLORCH_CANCELLED:
      return ErrorCode::kCancelled;
    case LLORCH_INVALID_ARGUMENT:
    case LLORCH_BAD_STATE:
      return ErrorCode::kInvalidArgument;
    case LLORCH_UNSUPPORTED:
      return ErrorCode::kUnsupported;
    case LLORCH_NOT_FOUND:
      return ErrorCode::kNotFound;
    case LLORCH_OUT_OF_MEMORY:
      return ErrorCode::kOutOfMemory;
    case LLORCH_BAD_MODEL:
      return ErrorCode::kBadModel;
    case LLORCH_DEVICE_ERROR:
      return ErrorCode::kIo;
    default:
      return status > 0 ? ErrorCode::kResourceExhausted : ErrorCode::kInternal;
  }
}

}  // namespace llorch::plugin
