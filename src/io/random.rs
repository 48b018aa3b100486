//! The system's random numbers, for ids and tokens.

use rand::TryRng;
use rand::rngs::SysRng;

/// That many random bytes.
///
/// # Panics
///
/// If the system has no random numbers to give: nothing that follows could be trusted.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).expect("the system's random numbers are always there");
    bytes
}

/// 128 random bits: an id.
pub fn id() -> u128 {
    u128::from_le_bytes(bytes())
}
