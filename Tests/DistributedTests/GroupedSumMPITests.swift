import Distributed
import NN
import RunSupport
import Tensors
import TestSupport
import Testing

/// The sum over the ranks does not depend on the size of messages, the groups of ranks that share memory, or the order
/// in which gradients become complete.
@Suite(.serialized) struct GroupedSumMPITests {
    /// All ranks in one group, groups of two (uneven on three ranks), and no shared memory.
    static let groups: [Int?] = [nil, 2, 1]

    private let shapes = [[3, 7], [1], [40], [2, 2], [17, 3], [5]]

    /// Gradient of an element on a rank: a small integer, so that sums are exact.
    private func share(_ element: Int, rank: Int) -> Float { Float(element % 50 + 1) * Float(rank + 1) }

    private func total(_ element: Int) -> Float {
        (0..<world.size).reduce(0) { $0 + share(element, rank: $1) }
    }

    /// A sum of parameters that are shared by groups of at most `largestGroup` ranks.
    private func makeSum(
        _ store: ParameterStore, largestGroup: Int?, messageElements: Int = 1 << 20, precision: Precision = .single
    ) throws -> (sum: GroupedSum, parameters: DistributedParameters) {
        let parameters = try DistributedParameters(
            store, largestGroup: largestGroup, messageElements: messageElements, on: world)
        return (GroupedSum(parameters, precision: precision), parameters)
    }

    private func setGradient(_ parameter: Parameter) {
        let values = parameter.range.map { share($0, rank: world.rank) }
        parameter.variable.add(gradient: Tensor(values, shape: parameter.shape))
    }

    /// Compares the elements that this rank owns with the expected sums.
    private func expectSums(
        _ parameters: DistributedParameters, tolerance: Float = 0, _ expected: (Int) -> Float
    ) throws {
        let store = parameters.store
        for part in parameters.owned.parts {
            for element in part.elements where store.parameters.contains(where: { $0.range.contains(element) }) {
                let (found, wanted) = (store.gradients.pointer[element], expected(element))
                #expect(abs(found - wanted) <= tolerance * abs(wanted))
            }
        }
        // Each element has one owner.
        #expect(try world.allReduce(parameters.owned.count) == store.values.count)
    }

    /// bfloat16 represents integers up to 256 exactly.
    @Test(arguments: [1, 30, 64, 1 << 20], groups)
    func gradientsAreSummed(messageElements: Int, largestGroup: Int?) throws {
        for precision in [Precision.single, .bfloat16] {
            try gradientsAreSummed(messageElements, largestGroup, precision)
        }
    }

    private func gradientsAreSummed(_ messageElements: Int, _ largestGroup: Int?, _ precision: Precision) throws {
        let (sum, parameters) = try makeSum(
            parameters(shapes), largestGroup: largestGroup, messageElements: messageElements, precision: precision)
        let store = parameters.store
        for step in 0..<3 {
            store.resetGradients()
            for parameter in store.parameters { setGradient(parameter) }
            // Before the last micro-batch, nothing is sent.
            for parameter in store.parameters { sum.gradientIsComplete(parameter.variable) }
            sum.begin(frozenGroups: [])
            // In a different order on each rank.
            let count = store.parameters.count
            for i in 0..<count {
                let index = (i * (world.rank % 2 == 0 ? 1 : count - 1) + step) % count
                sum.gradientIsComplete(store.parameters[index].variable)
            }
            try sum.finish()
            try expectSums(parameters, tolerance: precision == .single ? 0 : 1 / 256, total)
            let squares = (0..<store.values.count).reduce(0.0) { sum, element in
                let isUsed = store.parameters.contains { $0.range.contains(element) }
                return sum + (isUsed ? Double(total(element) * total(element)) : 0)
            }
            #expect(abs(try sum.sumOfSquares() / squares - 1) < (precision == .single ? 1e-6 : 1e-2))
            // A rank may not change its gradients while others still read them.
            try parameters.publish()
        }
    }

    /// With bfloat16 messages, numbers are rounded before they are sent and added in single precision, so that small
    /// terms are not lost next to a large one.
    @Test(.enabled(if: world.size > 1)) func bfloat16MessagesAreAddedInSinglePrecision() throws {
        let (sum, parameters) = try makeSum(parameters([[70]]), largestGroup: 1, precision: .bfloat16)
        // 1.003 lies between the bfloat16 numbers 1 and 1.0078; 0.002 is less than half of their distance.
        let share: Float = world.rank == 0 ? 1.003 : 0.002
        parameters.store.parameters[0].variable.add(gradient: Tensor(repeating: share, shape: [70]))
        sum.begin(frozenGroups: [])
        try sum.finish()
        let small = Float(bitPattern: (Float(0.002).bitPattern + 0x8000) & 0xffff_0000)
        try expectSums(parameters) { _ in 1 + Float(world.size - 1) * small }
    }

    /// A frozen group is not summed, and its messages do not hold up others.
    @Test(arguments: groups) func frozenGroupsAreLeftOut(largestGroup: Int?) throws {
        let builder = ParameterBuilder()
        for group in 0..<2 {
            builder.beginGroup("group\(group)")
            _ = builder.root.parameter("p\(group)", shape: [100], .constant(0))
        }
        let (sum, parameters) = try makeSum(builder.build(seed: 1), largestGroup: largestGroup, messageElements: 32)
        parameters.store.resetGradients()
        setGradient(parameters.store.parameters[0])
        sum.begin(frozenGroups: [1])
        sum.gradientIsComplete(parameters.store.parameters[0].variable)
        try sum.finish()
        try expectSums(parameters) { $0 < 112 ? $0 < 100 ? total($0) : 0 : 0 }
    }

    /// A parameter that no operation reached, on this rank or any, contributes zero whatever its buffer contains.
    @Test(arguments: groups) func unusedParametersCountAsZero(largestGroup: Int?) throws {
        let (sum, parameters) = try makeSum(parameters(shapes), largestGroup: largestGroup, messageElements: 16)
        let store = parameters.store
        store.gradients.pointer.update(repeating: 1000, count: store.gradients.count)
        store.resetGradients()
        sum.begin(frozenGroups: [])
        for (index, parameter) in store.parameters.enumerated() where index != 2 {
            if index == 4, world.rank != 0 { continue }
            setGradient(parameter)
            sum.gradientIsComplete(parameter.variable)
        }
        try sum.finish()
        try expectSums(parameters) { element in
            let index = store.parameters.firstIndex { $0.range.contains(element) }!
            return index == 2 ? 0 : index == 4 ? share(element, rank: 0) : total(element)
        }
    }

    /// A rank without jets contributes zero and takes part in all collectives.
    @Test(arguments: groups) func aRankWithoutJetsTakesPart(largestGroup: Int?) throws {
        let (sum, parameters) = try makeSum(parameters(shapes), largestGroup: largestGroup, messageElements: 16)
        let store = parameters.store
        sum.begin(frozenGroups: [])
        if world.rank == 0 {
            for parameter in store.parameters {
                setGradient(parameter)
                sum.gradientIsComplete(parameter.variable)
            }
        }
        try sum.finish()
        try expectSums(parameters) { share($0, rank: 0) }
    }

    /// Messages are summed during the backward pass, so that only the last bucket is left for `finish`, also where
    /// there are far more messages than may be in flight at a time.
    @Test(.enabled(if: world.size > 1), arguments: groups)
    func sumsArriveDuringTheBackwardPass(largestGroup: Int?) throws {
        let shapes = [[1], [2000]] + Array(repeating: [40], count: 30)
        let (sum, parameters) = try makeSum(parameters(shapes), largestGroup: largestGroup, messageElements: 64)
        let store = parameters.store
        for step in 0..<3 {
            store.resetGradients()
            for parameter in store.parameters { setGradient(parameter) }
            sum.begin(frozenGroups: [])
            let all = sum.outstanding
            for parameter in store.parameters.dropFirst(2) {
                sum.gradientIsComplete(parameter.variable)
            }
            sum.gradientIsComplete(store.parameters[1].variable)
            #expect(all > 40)
            // In place of a long operation of the backward pass.
            let deadline = ContinuousClock.now + .seconds(20)
            while sum.outstanding > 1, ContinuousClock.now < deadline { sum.poll() }
            #expect(sum.outstanding <= 1, "step \(step)")
            sum.gradientIsComplete(store.parameters[0].variable)
            try sum.finish()
            #expect(sum.outstanding == 0)
            try expectSums(parameters, total)
            try parameters.publish()
        }
    }
}
