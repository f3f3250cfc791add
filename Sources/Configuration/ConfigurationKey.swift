/// Properties of a key for generated files and completion.
package struct KeyTraits: OptionSet, Sendable {
    /// The default suits nearly every run: `kaon init` leaves the key out.
    package static let advanced = KeyTraits(rawValue: 1)
    /// A downstream task takes the value from the checkpoint of its backbone: `kaon init` leaves the key out there.
    package static let inherited = KeyTraits(rawValue: 2)
    /// The value is the path of a file or a folder, or a list of them.
    package static let path = KeyTraits(rawValue: 4)

    package let rawValue: Int

    package init(rawValue: Int) { self.rawValue = rawValue }
}

/// A key that was read while a configuration was decoded, with its description.
package struct ConfigurationKey: Sendable, Equatable {
    /// The dotted path from the root.
    package let path: String
    /// The sentence about the key, in Markdown; empty if only its presence was checked.
    package let help: String
    /// The traits of the key and of the sections around it.
    package let traits: KeyTraits
    /// The type with its article, such as `an integer`; empty for a section and if only presence was checked.
    package let expected: String
    /// The condition on the value, in words that follow "must be"; empty if there is none.
    package let requirement: String
    /// The words of an enumeration; empty for other types.
    package let choices: [String]
    /// The default as YAML; nil if the key is required.
    package internal(set) var defaultText: String?
    /// The value as YAML on one line; empty for a section that is present.
    package let valueText: String
    /// True for an optional section.
    package let isSection: Bool
    /// True if the value is null, given or by default.
    package let isNull: Bool

    /// The same key with another default.
    package func with(defaultText: String?) -> ConfigurationKey {
        var key = self
        key.defaultText = defaultText
        return key
    }
}

/// The meaning of a key and the values it takes, as stated where it is decoded.
struct KeyDescription {
    var help = ""
    var traits: KeyTraits = []
    var expected = ""
    var requirement = ""
    var choices: [String] = []
    /// nil if the key is required.
    var defaultValue: Value.Content?
    var isSection = false
}
