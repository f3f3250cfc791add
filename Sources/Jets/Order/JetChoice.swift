import Configuration
import MPI
import Tensors

/// The selection of jets by class and number: `data.classes` and `data.jets` of a configuration.
package struct JetChoice: Sendable, Equatable {
    /// All jets.
    package static let all = JetChoice()

    /// The names of the classes in use; nil for all.
    package var classes: [String]?
    /// The number of jets, equal for all classes to within one; nil for all.
    ///
    /// Of C classes, class c (from 0, in the order given) has ⌈(jets − c) / C⌉ jets. With the same seed, a smaller
    /// choice is a subset of a larger one.
    package var jets: Int?
    /// The number of jets of single classes, if `jets` is nil; all jets of the other classes are used.
    package var counts: [String: Int]
    /// The seed of the random choice.
    package var seed: UInt64
    /// The key that names each class, for messages; `data.classes` for those that are missing here.
    package var keys: [String: String] = [:]
    /// The key of `jets`, for messages.
    package var jetsKey = "data.jets"
    /// The end of the message about a class that the files lack.
    package var advice = ""
    /// True to use all jets of a class that has fewer than its share of `jets`.
    package var acceptsFewer = false
    /// True to use all jets, without a selection, of files that have no other classes.
    package var omitsTrivialSelection = false

    /// The same classes, without a number of jets.
    package var classesOnly: JetChoice {
        var choice = JetChoice(classes: classes)
        (choice.keys, choice.advice) = (keys, advice)
        return choice
    }

    package init(
        classes: [String]? = nil, jets: Int? = nil, counts: [String: Int] = [:], seed: UInt64 = 0
    ) {
        self.classes = classes
        self.jets = jets
        self.counts = counts
        self.seed = seed
    }

    /// Decodes `classes` and `jets` of the section `data`. Throws `ConfigurationError`.
    package init(from section: Section, seed: UInt64) throws {
        classes = try section.optionalStrings("classes", absent: "all", help: "names of the jet classes to use")
        jets = try section.optionalInt(
            "jets", in: .positive, absent: "all",
            help: "number of training jets, balanced over the classes; the same jets for the same seed")
        counts = [:]
        self.seed = seed
        if let classes {
            guard !classes.isEmpty else {
                throw section.error("classes", "no class is named; name some, or 'all'")
            }
            for (index, name) in classes.enumerated() where classes[..<index].contains(name) {
                throw section.error("classes", "the class '\(name)' is named twice")
            }
        }
    }

    /// The labels of the chosen classes. Throws `JetError` if the files do not have them.
    private func labels(of names: [String]) throws -> [Int32] {
        guard !names.isEmpty else {
            let keys = Set(self.keys.values).sorted().joined(separator: " and ")
            throw JetError(
                (keys.isEmpty
                    ? "data.classes and \(jetsKey) need the names of the classes, which the files lack"
                    : "\(keys): the files do not name their classes")
                    + ": list the names of their labels in data.class_names, or write them into the attribute "
                    + "'names' of /labels")
        }
        return try (classes ?? names).map { name in
            guard let label = names.firstIndex(of: name) else {
                throw JetError(
                    "\(key(of: name)): there is no class '\(name)' in the files; they have "
                        + names.joined(separator: ", ")
                        + (advice.isEmpty ? suggestion(for: name, among: names) : advice))
            }
            return Int32(label)
        }
    }

    /// The choice for files with some classes: all jets if these are the chosen classes and that is permitted.
    ///
    /// Throws `JetError` if the files lack a class.
    func resolved(for classNames: [String]) throws -> JetChoice {
        guard omitsTrivialSelection, let classes, jets == nil, counts.isEmpty else { return self }
        _ = try labels(of: classNames)
        return Set(classes).isSuperset(of: classNames) ? .all : self
    }

    private func key(of name: String) -> String { keys[name] ?? "data.classes" }

    /// More jets than any files have; small enough that sums over classes do not overflow.
    private static let unbounded = Int.max >> 16

    /// Finds the jets from the labels, of which each rank reads a part; nil for all jets. Collective.
    ///
    /// - Parameter labels: reads the labels of consecutive blocks.
    ///
    /// Throws `AgreedError` if labels cannot be read or a class has too few jets.
    func selection(
        in layout: BlockLayout, classNames: [String], on communicator: Communicator,
        reading labels: (_ blocks: Range<Int>) throws -> [Int32]
    ) throws -> JetSelection? {
        guard classes != nil || jets != nil else { return nil }
        let chosen = try communicator.agree { try self.labels(of: classNames) }
        guard jets != nil || !counts.isEmpty else {
            let selection = try Self.all(of: Set(chosen), in: layout, on: communicator, reading: labels)
            try communicator.agree {
                guard selection.count == 0 else { return }
                let keys = Set((classes ?? []).map(key)).sorted().joined(separator: " and ")
                throw JetError(
                    "\(keys): the files have no jet of the classes \((classes ?? []).joined(separator: ", "))")
            }
            return selection
        }
        var sample = StratifiedSample(
            quotas: Dictionary(
                uniqueKeysWithValues: chosen.enumerated().map { index, label in
                    let share = jets.map { max(0, ($0 - index + chosen.count - 1) / chosen.count) }
                    return (label, share ?? counts[classNames[Int(label)]] ?? Self.unbounded)
                }), layout: layout)
        var sequence = RandomSequence(RandomKey(seed: seed, stream: .selection))
        let order = Permutation(count: layout.blockCount, key: sequence.next())
        var (start, round) = (0, communicator.size)
        while !sample.isFull, start < layout.blockCount {
            let blocks = start..<min(start + round, layout.blockCount)
            let share = communicator.share(of: blocks.count)
            let part = try communicator.agree {
                try share.flatMap { try labels(order[start + $0]..<order[start + $0] + 1) }
            }
            var rest = try communicator.allGather(part).joined()[...]
            for position in blocks where !sample.isFull {
                let block = order[position]
                let count = layout.jets(ofBlock: block).count
                sample.take(rest.prefix(count), ofBlock: block)
                rest = rest.dropFirst(count)
            }
            start = blocks.upperBound
            round = min(2 * round, max(1024, communicator.size))
        }
        try communicator.agree {
            guard !acceptsFewer else { return }
            for label in chosen where sample.missing[label]! > 0 && sample.quotas[label] != Self.unbounded {
                let (required, found) = (sample.quotas[label]!, sample.quotas[label]! - sample.missing[label]!)
                let name = classNames[Int(label)]
                let source = jets == nil ? key(of: name) + "_jets" : "data.jets"
                throw JetError(
                    "\(source) requires \(required) jets of class '\(name)', but the files have "
                        + "\(found): lower \(source), or leave the class out of \(key(of: name))")
            }
        }
        return sample.selection
    }

    /// All jets of some classes.
    private static func all(
        of classes: Set<Int32>, in layout: BlockLayout, on communicator: Communicator,
        reading labels: (_ blocks: Range<Int>) throws -> [Int32]
    ) throws -> JetSelection {
        let wordsPerBlock = JetSelection.wordsPerBlock(of: layout)
        let share = Communicator.share(
            of: layout.blockCount, rank: communicator.rank, size: communicator.size)
        var (blocks, bits) = ([Int](), [UInt64]())
        try communicator.agree {
            // Reading many blocks at once: single reads would be dominated by overhead.
            for start in stride(from: share.lowerBound, to: share.upperBound, by: 256) {
                let part = start..<min(start + 256, share.upperBound)
                var rest = try labels(part)[...]
                for block in part {
                    var words = [UInt64](repeating: 0, count: wordsPerBlock)
                    let count = layout.jets(ofBlock: block).count
                    for (row, label) in rest.prefix(count).enumerated() where classes.contains(label) {
                        words[row / 64] |= 1 << UInt64(row % 64)
                    }
                    rest = rest.dropFirst(count)
                    guard words.contains(where: { $0 != 0 }) else { continue }
                    blocks.append(block)
                    bits += words
                }
            }
        }
        blocks = try communicator.allGather(blocks).flatMap { $0 }
        bits = try communicator.allGather(bits).flatMap { $0 }
        return JetSelection(blocks: blocks, bits: bits, of: layout)
    }
}

/// Jets of each class, collected block by block until the quota of the class is full.
private struct StratifiedSample {
    /// The number of jets of each label to take.
    let quotas: [Int32: Int]
    /// The number of jets of each label that are still missing.
    private(set) var missing: [Int32: Int]
    private var left: Int
    private let layout: BlockLayout
    private var bits: [Int: [UInt64]] = [:]

    var isFull: Bool { left == 0 }

    init(quotas: [Int32: Int], layout: BlockLayout) {
        self.quotas = quotas
        missing = quotas
        left = quotas.values.reduce(0, +)
        self.layout = layout
    }

    mutating func take(_ labels: some Sequence<Int32>, ofBlock block: Int) {
        var words = [UInt64](repeating: 0, count: JetSelection.wordsPerBlock(of: layout))
        var taken = 0
        for (row, label) in labels.enumerated() {
            guard let count = missing[label], count > 0 else { continue }
            missing[label] = count - 1
            words[row / 64] |= 1 << UInt64(row % 64)
            taken += 1
        }
        left -= taken
        if taken > 0 { bits[block] = words }
    }

    var selection: JetSelection {
        let blocks = bits.keys.sorted()
        return JetSelection(blocks: blocks, bits: blocks.flatMap { bits[$0]! }, of: layout)
    }
}
