// CRC-32C (Castagnoli), the checksum of every record and frame.
//
// Contract      Crc32c("123456789") == 0xE3069283 (RFC 3720, appendix B.4 has more vectors).
//               Extend(Crc32c(a), b) == Crc32c(a + b).
#ifndef SYNOD_BASE_CRC32C_H_
#define SYNOD_BASE_CRC32C_H_

#include <cstdint>
#include <string_view>

namespace synod {

// By the processor's instruction where there is one.
uint32_t ExtendCrc32c(uint32_t crc, std::string_view data);
// The same by table, on any processor.
uint32_t ExtendCrc32cByTable(uint32_t crc, std::string_view data);
inline uint32_t Crc32c(std::string_view data) { return ExtendCrc32c(0, data); }

}  // namespace synod

#endif  // SYNOD_BASE_CRC32C_H_
