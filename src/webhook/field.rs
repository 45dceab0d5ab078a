//! The values of a payload that are read.

/// Declares each value once: a variant, and its path below `payload`.
macro_rules! fields {
    ($($name:ident $path:literal)*) => {
        /// A scalar of a payload that is read.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the paths say what they are")]
        pub enum PayloadField {
            $($name,)*
        }

        impl PayloadField {
            /// All of them, in the order of their discriminants.
            pub const ALL: [Self; [$($path),*].len()] = [$(Self::$name),*];

            /// Returns the path below `payload`.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self {
                    $(Self::$name => $path,)*
                }
            }
        }
    };
}

fields! {
    Operator "operator"
    OperatorId "operator_id"
    AccountId "account_id"
    TimeStamp "time_stamp"
    Id "object.id"
    Email "object.email"
    FirstName "object.first_name"
    LastName "object.last_name"
    DisplayName "object.display_name"
    Dept "object.dept"
    RoleName "object.role_name"
    Role "object.role"
    Name "object.name"
    Version "object.version"
    ClientType "object.client_type"
    LoginType "object.login_type"
    StatusId "object.status_id"
    StatusName "object.status_name"
    DateTime "object.date_time"
    Topic "object.topic"
    HostId "object.host_id"
    StartTime "object.start_time"
    Duration "object.duration"
    Timezone "object.timezone"
    Uuid "object.uuid"
    JoinTime "object.participant.join_time"
    UserName "object.participant.user_name"
    UserId "object.participant.user_id"
    ParticipantUserId "object.participant.participant_user_id"
    PublicIp "object.participant.public_ip"
    ParticipantUuid "object.participant.participant_uuid"
    ParticipantId "object.participant.id"
    ParticipantEmail "object.participant.email"
    AccountName "object.account_name"
    OldEmail "old_object.email"
    OldFirstName "old_object.first_name"
    OldLastName "old_object.last_name"
    OldDisplayName "old_object.display_name"
    OldDept "old_object.dept"
    OldRoleName "old_object.role_name"
    OldRole "old_object.role"
}

impl PayloadField {
    /// Returns whether only `--enrich` reads it.
    pub(super) const fn is_enriched(self) -> bool {
        self as usize >= Self::ParticipantEmail as usize
    }

    /// Returns those that can be members of the object at `parent`, and perhaps others.
    fn below(parent: &str) -> &'static [Self] {
        const OBJECT: usize = PayloadField::Id as usize;
        const OLD_OBJECT: usize = PayloadField::OldEmail as usize;
        match parent {
            "" => &Self::ALL[..OBJECT],
            "old_object." => &Self::ALL[OLD_OBJECT..],
            _ => &Self::ALL[OBJECT..OLD_OBJECT],
        }
    }

    /// Returns the one that is the member `key` of the object at `parent`, a path that is empty or ends in `.`.
    pub(super) fn named(parent: &str, key: &str) -> Option<Self> {
        // The lengths decide for most keys.
        let length = parent.len() + key.len();
        let mut alike = Self::below(parent).iter().filter(|field| field.path().len() == length);
        // A key that contains a dot is not a path.
        alike.find(|field| field.path().strip_prefix(parent) == Some(key) && !key.contains('.')).copied()
    }
}
