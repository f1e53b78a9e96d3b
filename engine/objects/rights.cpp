#include "engine/objects/rights.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace mirrorfs::objects {

Rights Rights::current(const Fidelity& fidelity) {
  // The raw call spares libcap: version 3 has two words of 32 capabilities each (capget(2)).
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &header, data) != 0) return {.fidelity = fidelity};
  const std::uint64_t effective =
      data[0].effective | (static_cast<std::uint64_t>(data[1].effective) << 32);
  const auto has = [effective](unsigned capability) { return (effective >> capability & 1U) != 0; };
  return {.change_owner = has(CAP_CHOWN),
          .override_access = has(CAP_DAC_OVERRIDE) && has(CAP_FOWNER),
          .trusted_xattrs = has(CAP_SYS_ADMIN),
          .make_devices = has(CAP_MKNOD),
          .fidelity = fidelity};
}

}  // namespace mirrorfs::objects
