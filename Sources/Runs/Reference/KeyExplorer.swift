import Configuration
import Objectives

/// All keys that the configuration of an objective may have, found by decoding: what is asked for is a key.
///
/// Every word of every enumeration is tried, and every section that may be left out, and what they bring with them, so
/// that no key is known to the reference alone, and none to the program alone.
package struct KeyExplorer {
    /// A key, the settings without which nobody asks for it, and what it is with others.
    package struct Found: Sendable {
        package var key: ConfigurationKey
        package let condition: [String]
        /// Settings that change its default or its bounds, with the key as it is then.
        package var others: [(setting: String, key: ConfigurationKey)] = []
    }

    /// In the order of asking.
    private(set) var found: [Found] = []
    private var index: [String: Int] = [:]

    /// What a configuration of an objective has at least: the training files, and for a downstream task a backbone.
    package static func start(_ objective: ObjectiveOptions.Name) -> [String] {
        let tasks = objective == .mpmV1 || objective == .mpmV2 ? ["tasks={particle_id: {}, kmeans: {}}"] : []
        return ["objective=\(objective.rawValue)", "data.train=[train.h5]"] + tasks
    }

    /// Settings that enumerations and sections do not lead to.
    private static let others = [
        "backbone=backbone.h5", "tokenizer.checkpoint=vqvae.h5", "tasks.particle_id.class_weights=balanced",
    ]

    /// Throws `ConfigurationError` where the start does not decode.
    package init(_ objective: ObjectiveOptions.Name) throws {
        let start = Self.start(objective)
        try add(Self.keys(start), condition: [])
        var (queue, seen): ([[String]], Set<String>) = ([], [])
        func enqueue(_ keys: [ConfigurationKey], after settings: [String]) {
            for key in keys where key.path != "objective" {
                let words = key.isSection && key.isNull ? ["{}"] : key.choices
                for setting in words.map({ "\(key.path)=\($0)" }) where seen.insert(setting).inserted {
                    queue.append(settings + [setting])
                }
            }
        }
        enqueue(try Self.keys(start), after: [])
        for setting in Self.others { queue.append([setting]) }
        while !queue.isEmpty {
            let settings = queue.removeFirst()
            // Codes need the VQ-VAE that makes them, and a backbone goes with labels alone.
            guard
                let keys = (try? Self.keys(start + settings))
                    ?? (try? Self.keys(start + settings + ["tokenizer.checkpoint=vqvae.h5"]))
            else { continue }
            try add(keys, condition: settings)
            enqueue(keys, after: settings)
        }
    }

    /// The keys that are asked for with some settings. Throws `ConfigurationError`.
    private static func keys(_ settings: [String]) throws -> [ConfigurationKey] {
        var configuration = try Configuration(yaml: "", name: "the reference")
        for setting in settings { try configuration.override(setting) }
        let root = configuration.section()
        _ = try RunOptions(from: root, of: configuration, name: "NAME")
        return root.askedKeys
    }

    private mutating func add(_ keys: [ConfigurationKey], condition: [String]) throws {
        for key in keys {
            guard let place = index[key.path] else {
                index[key.path] = found.count
                found.append(Found(key: key, condition: Self.needed(condition, for: key.path)))
                continue
            }
            let known = found[place].key
            if known.expected.isEmpty, !key.expected.isEmpty {
                // It had been looked at before anybody asked for its value.
                found[place].key = key.with(usual: known.usual)
            } else if let setting = condition.last, condition.count == 1, !key.expected.isEmpty,
                (key.usual, key.requirement) != (known.usual, known.requirement),
                !setting.hasPrefix("\(key.path)=")
            {
                found[place].others.append((setting, key))
            }
        }
    }

    /// The settings of a condition that a key needs; one of a section that is not left out needs none for that.
    private static func needed(_ condition: [String], for path: String) -> [String] {
        condition.filter { setting in
            let section = setting.prefix { $0 != "=" }
            return !path.hasPrefix("tokenizer.") && !others.contains(setting)
                && !(setting.hasSuffix("={}") && path.hasPrefix("\(section)."))
        }
    }
}
