import Configuration
import Objectives

/// All keys that the configuration of an objective may have, found by decoding configurations and collecting the keys
/// that were read.
///
/// Every word of every enumeration and every optional section is tried, together with the keys that they add, so that
/// the reference and the decoders cannot disagree.
package struct KeyExplorer {
    /// A key with the settings under which it exists.
    package struct ExploredKey: Sendable {
        package var key: ConfigurationKey
        /// The settings with which the key was found.
        fileprivate var settings: [String]
        /// Settings, `key=value` or `key=value, value`, without which the key is not read.
        package fileprivate(set) var condition: [String] = []
        /// Settings that change the default, the requirement or the sentence, with the key as it is then.
        package var variants: [(setting: String, key: ConfigurationKey)] = []
    }

    /// The keys in the order of reading.
    package private(set) var keys: [ExploredKey] = []
    private var index: [String: Int] = [:]
    private var choices: [Choice] = []

    /// The words of an enumeration that can be decoded after some settings, with the keys that are then read.
    private struct Choice {
        let settings: [String]
        let path: String
        var words: [(word: String, keys: Set<String>)] = []
    }

    /// The shortest configuration of an objective: the training files, two tasks for masked particle modelling, and
    /// for a downstream task a backbone or the mode without one.
    package static func minimalSettings(_ objective: ObjectiveOptions.Name, backbone: String? = nil) -> [String] {
        let settings = ["objective=\(objective.rawValue)", "data.train=[train.h5]"]
        if objective == .mpmV1 || objective == .mpmV2 { return settings + ["tasks={particle_id: {}, kmeans: {}}"] }
        guard objective.isDownstream else { return settings }
        guard let backbone else { return settings + ["backbone_mode=scratch"] }
        return settings + ["backbone=\(backbone)", "backbone_mode=fine_tuned"]
    }

    /// Settings that no enumeration or optional section leads to.
    private static let additionalSettings = [
        "backbone=backbone.h5", "tokenizer.checkpoint=vqvae.h5", "tasks.particle_id.class_weights=balanced",
    ]

    /// Throws `ConfigurationError` if the minimal configuration cannot be decoded.
    package init(_ objective: ObjectiveOptions.Name) throws {
        let minimal = Self.minimalSettings(objective)
        let minimalKeys = try Self.keysRead(minimal)
        add(minimalKeys, after: [])
        var refused: Set<String> = []
        var (queue, seen): ([[String]], Set<String>) = ([], [])
        func enqueue(_ keys: [ConfigurationKey], after settings: [String]) {
            for key in keys where key.path != "objective" {
                let words = key.isSection && key.isNull ? ["{}"] : key.choices
                for setting in words.map({ "\(key.path)=\($0)" }) where seen.insert(setting).inserted {
                    queue.append(settings + [setting])
                }
            }
        }
        enqueue(minimalKeys, after: [])
        for setting in Self.additionalSettings { queue.append([setting]) }
        while !queue.isEmpty {
            let settings = queue.removeFirst()
            // Codes require a VQ-VAE. Settings that do not decode, such as a backbone in pre-training, are skipped.
            guard
                let keys = (try? Self.keysRead(minimal + settings))
                    ?? (try? Self.keysRead(minimal + settings + ["tokenizer.checkpoint=vqvae.h5"]))
            else {
                refused.formUnion(settings.suffix(1))
                continue
            }
            add(keys, after: settings)
            addWord(settings, keys)
            enqueue(keys, after: settings)
        }
        // Sections that a model does not have, where only their absence is accepted.
        let paths = keys.map(\.key.path)
        keys.removeAll { explored in
            let path = explored.key.path
            return refused.contains("\(path)={}") && !paths.contains { $0.hasPrefix("\(path).") }
        }
        for place in keys.indices { keys[place].condition = condition(of: keys[place]) }
    }

    /// The keys that are read with some settings. Throws `ConfigurationError`.
    private static func keysRead(_ settings: [String]) throws -> [ConfigurationKey] {
        var configuration = try Configuration(yaml: "", name: "the reference")
        for setting in settings { try configuration.override(setting) }
        let root = configuration.section()
        _ = try RunOptions(from: root, of: configuration, name: "NAME")
        return root.keysRead
    }

    private mutating func add(_ newKeys: [ConfigurationKey], after settings: [String]) {
        for key in newKeys {
            guard let place = index[key.path] else {
                index[key.path] = keys.count
                keys.append(ExploredKey(key: key, settings: settings))
                continue
            }
            let known = keys[place].key
            if known.expected.isEmpty, !key.expected.isEmpty {
                // So far only the absence of the key was checked.
                keys[place].key = key.with(defaultText: known.defaultText)
            } else if let setting = settings.last, settings.count == 1, !key.expected.isEmpty,
                (key.defaultText, key.requirement, key.help) != (known.defaultText, known.requirement, known.help),
                !setting.hasPrefix("\(key.path)=")
            {
                keys[place].variants.append((setting, key))
            }
        }
    }

    /// Notes the keys that are read with a word of an enumeration, the last one of the settings.
    private mutating func addWord(_ settings: [String], _ keys: [ConfigurationKey]) {
        let (others, parts) = (Array(settings.dropLast()), settings[settings.count - 1].split(separator: "="))
        guard !Self.additionalSettings.contains(settings[settings.count - 1]), parts[1] != "{}" else { return }
        let path = String(parts[0])
        if !choices.contains(where: { $0.path == path }) { choices.append(Choice(settings: others, path: path)) }
        let read = keys.filter { $0.isSection || !$0.expected.isEmpty }.map(\.path)
        let place = choices.firstIndex { $0.path == path }!
        choices[place].words.append((String(parts[1]), Set(read)))
    }

    /// The settings that a key requires: those with which it was found, and enumerations that other words take it away
    /// from. Settings that merely make its optional section present are left out.
    private func condition(of explored: ExploredKey) -> [String] {
        let (path, settings) = (explored.key.path, explored.settings)
        var condition = settings.filter { setting in
            let section = setting.prefix { $0 != "=" }
            return !path.hasPrefix("tokenizer.") && !Self.additionalSettings.contains(setting)
                && !(setting.hasSuffix("={}") && path.hasPrefix("\(section)."))
        }
        for choice in choices where settings.starts(with: choice.settings) {
            let words = choice.words.filter { $0.keys.contains(path) }.map(\.word)
            guard !words.isEmpty, words.count < choice.words.count else { continue }
            let required = "\(choice.path)=\(words.joined(separator: ", "))"
            if let place = condition.firstIndex(where: { $0.hasPrefix("\(choice.path)=") }) {
                condition[place] = required
            } else if choice.settings == settings {
                condition.append(required)
            }
        }
        return condition
    }
}
