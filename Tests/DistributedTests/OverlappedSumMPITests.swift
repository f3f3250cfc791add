import Distributed
import NN
import RunSupport
import Tensors
import TestSupport
import Testing

/// The sum over the ranks does not depend on the size of buckets or the order in which gradients become complete.
@Suite(.serialized) struct OverlappedSumMPITests {
    private let shapes = [[3, 7], [1], [40], [2, 2], [17, 3], [5]]

    /// Gradient of an element on a rank: a small integer, so that sums are exact.
    private func share(_ element: Int, rank: Int) -> Float { Float(element % 50 + 1) * Float(rank + 1) }

    private func total(_ element: Int) -> Float {
        (0..<world.size).reduce(0) { $0 + share(element, rank: $1) }
    }

    private func makeSum(
        _ store: ParameterStore, bucketElements: Int = 1 << 20, precision: Precision = .single
    ) throws -> OverlappedSum {
        OverlappedSum(
            store, over: try makeTransport(precision, on: world), ranks: world.size, bucketElements: bucketElements)
    }

    private func setGradient(_ parameter: Parameter) {
        let values = parameter.range.map { share($0, rank: world.rank) }
        parameter.variable.add(gradient: Tensor(values, shape: parameter.shape))
    }

    /// bfloat16 represents integers up to 256 exactly.
    @Test(arguments: [1, 30, 64, 1 << 20], [Precision.single, .bfloat16])
    func gradientsAreSummed(bucketElements: Int, precision: Precision) throws {
        let store = parameters(shapes)
        let sum = try makeSum(store, bucketElements: bucketElements, precision: precision)
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
            for parameter in store.parameters {
                #expect(
                    parameter.range.allSatisfy {
                        precision == .single
                            ? store.gradients.pointer[$0] == total($0)
                            : abs(store.gradients.pointer[$0] - total($0)) <= total($0) / 256
                    })
            }
        }
    }

    /// With bfloat16 messages, numbers are rounded before they are sent and after they are added in single precision,
    /// so that small terms are not lost next to a large one. The result is bit-identical on all ranks.
    @Test(.enabled(if: world.size > 1)) func bfloat16MessagesAreAddedInSinglePrecision() throws {
        let store = parameters([[70]])
        let sum = try makeSum(store, precision: .bfloat16)
        // 1.003 lies between the bfloat16 numbers 1 and 1.0078; 0.002 is less than half of their distance.
        let share: Float = world.rank == 0 ? 1.003 : 0.002
        store.parameters[0].variable.add(gradient: Tensor(repeating: share, shape: [70]))
        sum.begin(frozenGroups: [])
        try sum.finish()
        let small = Float(bitPattern: (Float(0.002).bitPattern + 0x8000) & 0xffff_0000)
        let exact = 1 + Float(world.size - 1) * small
        let rounded = Float(bitPattern: (exact.bitPattern + 0x8000) & 0xffff_0000)
        #expect(store.gradients.array == Array(repeating: rounded, count: 70))
        #expect(try world.allGather(store.gradients.array).allSatisfy { $0 == store.gradients.array })
    }

    /// A parameter that no operation reached, on this rank or any, contributes zero whatever its buffer contains.
    @Test func unusedParametersCountAsZero() throws {
        let store = parameters(shapes)
        let sum = try makeSum(store, bucketElements: 16)
        store.gradients.pointer.update(repeating: 1000, count: store.gradients.count)
        store.resetGradients()
        sum.begin(frozenGroups: [])
        for (index, parameter) in store.parameters.enumerated() where index != 2 {
            if index == 4, world.rank != 0 { continue }
            setGradient(parameter)
            sum.gradientIsComplete(parameter.variable)
        }
        try sum.finish()
        for (index, parameter) in store.parameters.enumerated() {
            for element in parameter.range {
                let expected = index == 2 ? 0 : index == 4 ? share(element, rank: 0) : total(element)
                #expect(store.gradients.pointer[element] == expected)
            }
        }
    }

    /// A rank without jets contributes zero and takes part in all collectives.
    @Test func aRankWithoutJetsTakesPart() throws {
        let store = parameters(shapes)
        let sum = try makeSum(store, bucketElements: 16)
        sum.begin(frozenGroups: [])
        if world.rank == 0 {
            for parameter in store.parameters {
                setGradient(parameter)
                sum.gradientIsComplete(parameter.variable)
            }
        }
        try sum.finish()
        for parameter in store.parameters {
            #expect(parameter.range.allSatisfy { store.gradients.pointer[$0] == share($0, rank: 0) })
        }
    }

    /// Messages are summed during the backward pass, so that only the last bucket is left for `finish`, also where
    /// there are far more messages than may be in flight at a time.
    @Test(.enabled(if: world.size > 1), arguments: [Precision.single, .bfloat16])
    func sumsArriveDuringTheBackwardPass(precision: Precision) throws {
        let store = parameters([[1], [2000]] + Array(repeating: [40], count: 30))
        let sum = try makeSum(store, bucketElements: 64, precision: precision)
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
            let tolerance: Float = precision == .single ? 0 : 1 / 256
            for parameter in store.parameters {
                #expect(
                    parameter.range.allSatisfy {
                        abs(store.gradients.pointer[$0] - total($0)) <= tolerance * total($0)
                    })
            }
        }
    }
}
