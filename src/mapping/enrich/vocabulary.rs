//! The words of Zoom's operation logs: verbs, nouns and categories, as tables.

use super::first_letters::FirstLetters;

/// Indexes the words of a table by their first letters.
macro_rules! first_letters {
    ($table:ident, |$row:ident| $word:expr) => {{
        let (mut letters, mut index) = (FirstLetters::new(), 0);
        while index < $table.len() {
            let $row = &$table[index];
            letters = letters.with(index, $word);
            index += 1;
        }
        letters
    }};
}

/// What an operation log is about.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    User,
    Setting,
    Group,
    Role,
    Organization,
    Device,
    /// Anything else.
    #[default]
    Resource,
}

impl Class {
    /// The number of classes.
    pub(super) const COUNT: usize = Self::Resource as usize + 1;

    /// Returns the `resourceType` of the target; `None` if it is of no type that UDM names.
    pub(super) const fn resource_type(self) -> Option<&'static str> {
        match self {
            Self::User => Some("USER"),
            Self::Setting => Some("SETTING"),
            Self::Role => Some("ACCESS_POLICY"),
            Self::Device => Some("DEVICE"),
            Self::Organization => Some("CLOUD_ORGANIZATION"),
            Self::Group | Self::Resource => None,
        }
    }
}

/// The class of each category; other categories are [`Class::Resource`].
pub(super) static CATEGORIES: [(&str, Class); 18] = [
    ("User", Class::User),
    ("User Settings", Class::Setting),
    ("User Group", Class::Group),
    ("Group", Class::Group),
    ("IM Group", Class::Group),
    ("Role", Class::Role),
    ("Role Management", Class::Role),
    ("Account", Class::Setting),
    ("Account Settings", Class::Setting),
    ("Account Profile", Class::Setting),
    ("Sub Account Settings", Class::Setting),
    ("Security", Class::Setting),
    ("Sign-in Methods", Class::Setting),
    ("Sub Account", Class::Organization),
    ("Device", Class::Device),
    ("Devices", Class::Device),
    ("Zoom Rooms", Class::Device),
    ("Room", Class::Device),
];
pub(super) static CATEGORY_LETTERS: FirstLetters = first_letters!(CATEGORIES, |row| row.0);

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OperationKind {
    Add,
    Update,
    Delete,
    Access,
    /// Nothing that the tables name.
    Other,
}

/// The words in an action that say what was done; of an action with several, the first in this table.
pub(super) static ACTIONS: [(&str, OperationKind); 11] = [
    ("delete", OperationKind::Delete),
    ("remove", OperationKind::Delete),
    ("add", OperationKind::Add),
    ("create", OperationKind::Add),
    ("update", OperationKind::Update),
    ("edit", OperationKind::Update),
    ("change", OperationKind::Update),
    ("search", OperationKind::Access),
    ("view", OperationKind::Access),
    ("export", OperationKind::Access),
    ("download", OperationKind::Access),
];
pub(super) static ACTION_LETTERS: FirstLetters = first_letters!(ACTIONS, |row| row.0);

/// A verb with which HEAD can begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verb {
    pub(super) word: &'static str,
    pub(super) kind: OperationKind,
    /// Whether it says more than the action.
    pub(super) decides: bool,
    /// The `userAuthenticationStatus` that it gives a user.
    pub(super) status: Option<&'static str>,
}

/// A verb that says what was done only if the action does not.
const fn verb(word: &'static str, kind: OperationKind) -> Verb {
    Verb { word, kind, decides: false, status: None }
}

const fn deciding(word: &'static str, kind: OperationKind) -> Verb {
    Verb { word, kind, decides: true, status: None }
}

const fn with_status(word: &'static str, status: &'static str) -> Verb {
    Verb { word, kind: OperationKind::Update, decides: false, status: Some(status) }
}

/// The verbs.
pub(super) static VERBS: [Verb; 28] = [
    deciding("add", OperationKind::Add),
    deciding("create", OperationKind::Add),
    verb("update", OperationKind::Update),
    verb("edit", OperationKind::Update),
    verb("change", OperationKind::Update),
    deciding("delete", OperationKind::Delete),
    deciding("remove", OperationKind::Delete),
    with_status("activate", "ACTIVE"),
    with_status("deactivate", "SUSPENDED"),
    verb("assign", OperationKind::Update),
    verb("unassign", OperationKind::Update),
    verb("bind", OperationKind::Update),
    verb("unbind", OperationKind::Update),
    verb("enable", OperationKind::Update),
    verb("disable", OperationKind::Update),
    with_status("lock", "SUSPENDED"),
    with_status("unlock", "ACTIVE"),
    verb("search", OperationKind::Access),
    verb("view", OperationKind::Access),
    verb("export", OperationKind::Access),
    verb("download", OperationKind::Access),
    verb("import", OperationKind::Update),
    verb("link", OperationKind::Update),
    verb("unlink", OperationKind::Update),
    verb("restore", OperationKind::Update),
    verb("merge", OperationKind::Update),
    verb("transfer", OperationKind::Update),
    verb("reset", OperationKind::Update),
];
pub(super) static VERB_LETTERS: FirstLetters = first_letters!(VERBS, |row| row.word);

/// The words between a verb and a noun that are no part of a name.
pub(super) const ARTICLES: [&str; 4] = ["a", "an", "the", "new"];
/// The length of the longest of them.
pub(super) const LONGEST_ARTICLE: usize = {
    let (mut longest, mut index) = (0, 0);
    while index < ARTICLES.len() {
        if ARTICLES[index].len() > longest {
            longest = ARTICLES[index].len();
        }
        index += 1;
    }
    longest
};

/// The nouns that are no part of a name, besides the category; those of more words first.
pub(super) static NOUNS: [&str; 9] =
    ["user group", "account setting", "user", "group", "role", "device", "room", "channel", "setting"];
pub(super) static NOUN_LETTERS: FirstLetters = first_letters!(NOUNS, |row| row);

/// How a setting's name begins in HEAD: `NAME from OLD to NEW` follows.
pub(super) const SETTING_HEAD: &str = "change account setting";

/// How HEAD begins if all that follows is a name.
pub(super) const NAME_HEADS: [&str; 3] =
    ["assign admin for channel", "delete cloud recording for meeting", "delete recording for meeting"];

/// The keys of changes of a user's role.
pub(super) const ROLE_KEYS: [&str; 3] = ["User Role", "Role", "role"];

/// The key of the label with the role that somebody had before.
pub(super) const PREVIOUS_ROLE: &str = "Previous Role";

/// The category whose HEAD says between whom a phone number moved.
pub(super) const PHONE_NUMBER: &str = "Phone Number";

/// The category whose names can be IDs of meetings.
pub(super) const RECORDING: &str = "Recording";

/// Returns the `type` of a role with this name.
pub(super) fn role_type(name: &str) -> Option<&'static str> {
    let is_administrator = matches!(name, "Owner" | "Co-Owner" | "Admin") || name.ends_with(" Admin");
    is_administrator.then_some("ADMINISTRATOR")
}
