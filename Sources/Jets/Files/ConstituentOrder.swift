import Tensors

/// The constituents that are kept of those that are stored: of each jet the hardest, at most a maximum number, by
/// decreasing pT; those of equal pT as stored. T stored constituents.
struct ConstituentOrder {
    /// The kept constituents of each jet.
    let offsets: Offsets
    /// The stored constituent of each kept one; nil if all are kept as stored.
    let tokens: [Int32]?
    /// The number of jets that are not stored by decreasing pT.
    let unsortedJets: Int

    /// Increases of pT by less than 0.1 % are accepted: values that were rounded after sorting.
    private static let tolerance: Float = 1.001

    /// - Parameters:
    ///   - stored: the stored constituents of each jet.
    ///   - values: their features, `[T, width]`, pT first.
    ///   - maximum: the maximum number of constituents of a jet.
    init(_ stored: Offsets, values: [Float], width: Int, maximum: Int) {
        var isSorted = [Bool](repeating: true, count: stored.jets)
        var (isCut, unsorted) = (false, 0)
        values.withUnsafeBufferPointer { values in
            for jet in 0..<stored.jets {
                let tokens = stored[jet]
                var (previous, descends) = (Float.infinity, true)
                for token in tokens {
                    let pt = values[token * width]
                    // False for NaN, too.
                    descends = descends && pt <= previous * Self.tolerance
                    previous = pt
                }
                isSorted[jet] = descends
                if !descends { unsorted += 1 }
                isCut = isCut || tokens.count > maximum
            }
        }
        unsortedJets = unsorted
        guard isCut || unsorted > 0 else {
            (offsets, tokens) = (stored, nil)
            return
        }
        var kept: [Int32] = []
        kept.reserveCapacity(stored.tokens)
        for jet in 0..<stored.jets {
            let tokens = stored[jet]
            if isSorted[jet] {
                for token in tokens.prefix(maximum) { kept.append(Int32(token)) }
            } else {
                // NaN counts as the softest.
                func key(_ token: Int) -> Float {
                    let pt = values[token * width]
                    return pt.isNaN ? -.infinity : pt
                }
                let sorted = tokens.sorted { (key($1), $0) < (key($0), $1) }
                for token in sorted.prefix(maximum) { kept.append(Int32(token)) }
            }
        }
        offsets = Offsets(counts: (0..<stored.jets).map { min(stored[$0].count, maximum) })
        tokens = kept
    }

    /// The rows of the kept constituents, `[kept, width]`, of those of all stored ones, `[T, width]`.
    func kept<Value>(_ all: [Value], width: Int = 1) -> [Value] {
        guard let tokens else { return all }
        return [Value](unsafeUninitializedCapacity: tokens.count * width) { kept, initialized in
            all.withUnsafeBufferPointer { all in
                guard let from = all.baseAddress, let to = kept.baseAddress else { return }
                for (index, token) in tokens.enumerated() {
                    (to + index * width).initialize(from: from + Int(token) * width, count: width)
                }
            }
            initialized = tokens.count * width
        }
    }

    /// The stored constituent of a kept one.
    func stored(_ token: Int) -> Int { tokens.map { Int($0[token]) } ?? token }
}

/// The constituents of some jets as a file stores them. T constituents.
struct StoredConstituents {
    /// The constituents of each jet.
    let offsets: Offsets
    let features: JetFeatures
    /// Their values, `[T, features.storedCount]`.
    let values: [Float]
    let identities: [Int32]
    /// Further integers for each constituent, by the name of their dataset.
    let labels: [(name: String, values: [Int32])]

    /// The block of the jets, with the constituents that are kept, checked. Throws `JetError`.
    ///
    /// - Parameters:
    ///   - labels: the class of each jet.
    ///   - maximum: the maximum number of constituents of a jet.
    ///   - check: with the place of each stored constituent.
    func block(labels classes: [Int32], maximum: Int, _ check: ConstituentCheck) throws -> JetBlock {
        let width = features.storedCount
        let order = ConstituentOrder(offsets, values: values, width: width, maximum: maximum)
        let kept = order.kept(values, width: width)
        let check = ConstituentCheck(path: check.path, features: features, alternative: check.alternative) {
            check.place(order.stored($0))
        }
        let identities = try check.identities(order.kept(identities))
        try check.values(kept, order.offsets)
        var block = JetBlock(
            offsets: order.offsets, values: kept, identities: identities, labels: classes,
            constituentLabels: try labels.map { try check.labels($0.name, order.kept($0.values)) },
            features: features)
        (block.order, block.unsortedJets) = (order.tokens, order.unsortedJets)
        return block
    }
}
