//! The name that a component has from its bytes.

use std::fmt;
use std::str::FromStr;

use sha2::Sha256;

/// SHA-256 of a component's bytes, written `sha256:` and 64 hexadecimal digits.
///
/// ```
/// use mongoqueue_wasmtime::Digest;
///
/// let empty = Digest::of(b"");
/// assert_eq!(empty.to_string().parse(), Ok(empty));
/// assert!("sha256:e3b0".parse::<Digest>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

/// Why a text is no [`Digest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is `sha256:` and 64 hexadecimal digits, as `mongoqueue inspect` prints it")]
pub struct NoDigest;

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(<Sha256 as sha2::Digest>::digest(bytes).into())
    }

    /// Without the `sha256:`.
    pub(super) fn hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let digits = text.strip_prefix("sha256:").ok_or(NoDigest)?.as_bytes();
        let (pairs, rest) = digits.as_chunks::<2>();
        let mut digest = [0; 32];
        if pairs.len() != digest.len() || !rest.is_empty() {
            return Err(NoDigest);
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(NoDigest);
        for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
            *byte = u8::try_from(digit(*high)? << 4 | digit(*low)?).map_err(|_| NoDigest)?;
        }
        Ok(Self(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn reads_what_it_writes_and_large_letters() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        let loud = EMPTY.to_uppercase().replace("SHA256", "sha256");
        assert_eq!(loud.parse(), Ok(Digest::of(b"")));
    }

    #[test]
    fn junk_is_no_digest() {
        let (bare, half) = (EMPTY.replace("sha256:", ""), &EMPTY[..39]);
        let strange = EMPTY.replace('e', "é");
        let (long, other) = (format!("{EMPTY}00"), EMPTY.replace("sha256", "sha512"));
        let (odd, signed) = (format!("{EMPTY}0"), EMPTY.replace("e3", "+3"));
        for junk in ["", "sha256:", &bare, half, &strange, &long, &other, &odd, &signed] {
            assert_eq!(junk.parse::<Digest>(), Err(NoDigest), "{junk}");
        }
    }
}
