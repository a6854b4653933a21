//! The list of codes, for whoever counts answers by them.

use super::Code;

impl Code {
    /// Each of them once, in the order of their numbers.
    pub const ALL: &[Self] = &[
        Self::HostNotAllowed,
        Self::CrossSite,
        Self::CallerAccount,
        Self::RequiredField,
        Self::CallerKey,
        Self::Policy,
        Self::Scope,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BadRequest,
        Self::HeadTooLarge,
        Self::ContentTooLarge,
        Self::CallerTimeout,
        Self::ExpectationFailed,
        Self::VersionNotSupported,
        Self::SignInRequired,
        Self::SignInUnknown,
        Self::SignInFailed,
        Self::TokenPending,
        Self::TokenExpired,
        Self::BudgetExhausted,
        Self::TooSoon,
        Self::UpstreamDns,
        Self::UpstreamDnsTimeout,
        Self::UpstreamConnect,
        Self::UpstreamConnectTimeout,
        Self::UpstreamProxy,
        Self::UpstreamTls,
        Self::UpstreamTlsProtocol,
        Self::UpstreamTlsAlert,
        Self::UpstreamClosed,
        Self::UpstreamProtocol,
        Self::UpstreamTimeout,
        Self::Draining,
        Self::Overloaded,
        Self::Internal,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_code_is_its_number() {
        for (number, code) in Code::ALL.iter().enumerate() {
            assert_eq!(*code as usize, number);
        }
        // The last one: a new code behind it must be listed, too.
        assert_eq!(Code::ALL.last(), Some(&Code::Internal));
    }
}
