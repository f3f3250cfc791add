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
        /// Settings, `key=value`, without which the key is not read.
        package let condition: [String]
        /// Settings that change the default, the requirement or the sentence, with the key as it is then.
        package var variants: [(setting: String, key: ConfigurationKey)] = []
    }

    /// The keys in the order of reading.
    package private(set) var keys: [ExploredKey] = []
    private var index: [String: Int] = [:]

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
        add(minimalKeys, condition: [])
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
            else { continue }
            add(keys, condition: settings)
            enqueue(keys, after: settings)
        }
    }

    /// The keys that are read with some settings. Throws `ConfigurationError`.
    private static func keysRead(_ settings: [String]) throws -> [ConfigurationKey] {
        var configuration = try Configuration(yaml: "", name: "the reference")
        for setting in settings { try configuration.override(setting) }
        let root = configuration.section()
        _ = try RunOptions(from: root, of: configuration, name: "NAME")
        return root.keysRead
    }

    private mutating func add(_ newKeys: [ConfigurationKey], condition: [String]) {
        for key in newKeys {
            guard let place = index[key.path] else {
                index[key.path] = keys.count
                keys.append(ExploredKey(key: key, condition: Self.required(condition, for: key.path)))
                continue
            }
            let known = keys[place].key
            if known.expected.isEmpty, !key.expected.isEmpty {
                // So far only the absence of the key was checked.
                keys[place].key = key.with(defaultText: known.defaultText)
            } else if let setting = condition.last, condition.count == 1, !key.expected.isEmpty,
                (key.defaultText, key.requirement, key.help) != (known.defaultText, known.requirement, known.help),
                !setting.hasPrefix("\(key.path)=")
            {
                keys[place].variants.append((setting, key))
            }
        }
    }

    /// The settings that a key requires; those that merely make its optional section present are left out.
    private static func required(_ condition: [String], for path: String) -> [String] {
        condition.filter { setting in
            let section = setting.prefix { $0 != "=" }
            return !path.hasPrefix("tokenizer.") && !additionalSettings.contains(setting)
                && !(setting.hasSuffix("={}") && path.hasPrefix("\(section)."))
        }
    }
}
