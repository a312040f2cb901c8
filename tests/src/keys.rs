//! Keys that OpenSSL made, for tests alone: whoever reads this has them.

/// The private key of a team.
pub const TEAM: &str = include_str!("../keys/team.pem");
/// Its public key.
pub const TEAM_PUBLIC: &str = include_str!("../keys/team.pub.pem");
/// The public key of somebody else.
pub const OTHER_PUBLIC: &str = include_str!("../keys/other.pub.pem");
