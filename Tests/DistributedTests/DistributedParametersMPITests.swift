import Distributed
import MPI
import NN
import RunSupport
import Tensors
import TestSupport
import Testing

/// One copy of the values in each group of ranks, and one owner of each element in the job.
@Suite(.serialized) struct DistributedParametersMPITests {
    private let shapes = [[3, 7], [1], [40], [2, 2], [17, 3], [5]]

    @Test(arguments: [nil, 1, 2, 3] as [Int?]) func groupsCoverAllRanks(largest: Int?) throws {
        let ranks = try RankGroups(largest: largest, on: world)
        #expect(ranks.sizes.reduce(0, +) == world.size)
        #expect(ranks.sizes[ranks.index] == ranks.group.size)
        // All ranks run on this host.
        let expected = (world.size + (largest ?? world.size) - 1) / (largest ?? world.size)
        #expect(ranks.sizes.count == expected)
        #expect((ranks.peers == nil) == (ranks.group.rank >= ranks.places))
        if let peers = ranks.peers {
            #expect(peers.size == ranks.sizes.count && peers.rank == ranks.index)
        }
    }

    /// The fewest groups, which differ by one rank at most.
    @Test(arguments: [(9, 4, [3, 3, 3]), (8, 4, [4, 4]), (128, 60, [42, 43, 43]), (7, 4, [3, 4])])
    func groupsAreEven(ranks: Int, largest: Int, expected: [Int]) {
        let groups = (0..<ranks).map { RankGroups.group(ofRank: $0, of: ranks, largest: largest) }
        #expect(groups == groups.sorted())
        #expect((0...groups.last!).map { group in groups.count { $0 == group } }.sorted() == expected)
    }

    @Test(arguments: GroupedSumMPITests.groups, [1, 16, 50, 1 << 20])
    func eachElementHasOneOwner(largestGroup: Int?, messageElements: Int) throws {
        let parameters = try DistributedParameters(
            parameters(shapes), largestGroup: largestGroup, messageElements: messageElements, on: world)
        var owners = Array(repeating: 0, count: parameters.store.values.count)
        for part in parameters.owned.parts { for element in part.elements { owners[element] += 1 } }
        #expect(try world.allReduce(owners).allSatisfy { $0 == 1 })
    }

    /// A parameter that is not to be divided belongs to one rank; every other element has one owner as before.
    @Test(arguments: GroupedSumMPITests.groups, [1, 16, 50, 1 << 20])
    func wholeParametersHaveOneOwner(largestGroup: Int?, messageElements: Int) throws {
        let whole: Set = [0, 2, 4]
        let parameters = try DistributedParameters(
            parameters(shapes), largestGroup: largestGroup, messageElements: messageElements, whole: whole, on: world)
        var owners = Array(repeating: 0, count: parameters.store.values.count)
        for part in parameters.owned.parts { for element in part.elements { owners[element] += 1 } }
        #expect(try world.allReduce(owners).allSatisfy { $0 == 1 })
        for index in whole {
            let range = parameters.store.parameters[index].range
            let own = parameters.owned.parts(in: range).reduce(0) { $0 + $1.elements.count }
            #expect(own == 0 || own == range.count, "parameter \(index)")
        }
        // Gradients of all ranks come together at the owners, and new values at all ranks.
        let store = parameters.store
        let sum = GroupedSum(parameters)
        for parameter in store.parameters {
            parameter.variable.add(gradient: Tensor(repeating: Float(world.rank + 1), shape: parameter.shape))
        }
        sum.begin(frozenGroups: [])
        for parameter in store.parameters { sum.gradientIsComplete(parameter.variable) }
        try sum.finish()
        for part in parameters.owned.parts {
            for element in part.elements { store.values.pointer[element] = store.gradients.pointer[element] }
        }
        try parameters.publish()
        for parameter in store.parameters {
            let total = Float(world.size * (world.size + 1) / 2)
            #expect(parameter.variable.value.array.allSatisfy { $0 == total }, "\(parameter.name)")
        }
        try world.barrier()
    }

    /// Costs are divided evenly: the largest matrices first, each to the rank with the least so far.
    @Test func matricesAreDividedByCost() {
        let shapes = [[4, 4], [8, 8], [8, 16], [4, 4], [2, 2]]  // costs 64, 512, 1024, 64, 8
        #expect(Partition.owners(of: shapes, ranks: 1) == [0, 0, 0, 0, 0])
        #expect(Partition.owners(of: shapes, ranks: 2) == [1, 1, 0, 1, 1])
        #expect(Partition.owners(of: shapes, ranks: 4) == [2, 1, 0, 3, 2])
    }

    /// Values that ranks write for the elements they own are on all ranks after `publish`; the move keeps all values.
    @Test(arguments: GroupedSumMPITests.groups) func newValuesReachAllRanks(largestGroup: Int?) throws {
        let original = parameters(shapes).values.array
        let parameters = try DistributedParameters(
            parameters(shapes), largestGroup: largestGroup, messageElements: 50, on: world)
        let store = parameters.store
        #expect(store.values.array == original)
        for parameter in store.parameters {
            #expect(parameter.variable.value.array == Array(original[parameter.range]))
        }
        try world.barrier()
        for step in 1...3 {
            for part in parameters.owned.parts {
                for element in part.elements { store.values.pointer[element] = Float(1000 * step + element) }
            }
            try parameters.publish()
            #expect(store.values.array == original.indices.map { Float(1000 * step + $0) })
            try world.barrier()
        }
    }

    /// The ranks of a group see each other's writes at once: there is one copy.
    @Test(.enabled(if: world.size > 1)) func aGroupHasOneCopy() throws {
        let parameters = try DistributedParameters(parameters(shapes), on: world)
        if world.rank == 0 { parameters.store.values.pointer[5] = 77 }
        try world.barrier()
        #expect(parameters.store.values.pointer[5] == 77)
        #expect(parameters.sharedBytes >= (1 + world.size) * parameters.store.values.count * 4)
    }

    /// Products read the layouts that the ranks of a group wrote together, after each change of the weights, and the
    /// weights themselves outside.
    @Test(.enabled(if: Precision.hasBFloat16), arguments: GroupedSumMPITests.groups)
    func layoutsFollowTheWeights(largestGroup: Int?) throws {
        let builder = ParameterBuilder()
        let layers = [(64, 80), (48, 32), (32, 496)].enumerated().map { index, shape in
            Linear(inputs: shape.0, outputs: shape.1, in: builder.root.scope("\(index)"))
        }
        let parameters = try DistributedParameters(
            builder.build(seed: 1), largestGroup: largestGroup, precision: .bfloat16, on: world)
        #expect(parameters.layoutBytes >= 2 * 2 * (64 * 80 + 48 * 32 + 32 * 496))
        let inputs = [64, 48, 32].map { Variable(constant: Tensor(repeating: 0.75, shape: [5, $0])) }
        func outputs() -> [[Float]] {
            let tape = Tape(recording: false, precision: .bfloat16)
            return zip(layers, inputs).map { $0($1, on: tape).value.array }
        }
        for step in 1...3 {
            for part in parameters.owned.parts {
                for i in part.elements { parameters.store.values.pointer[i] = Float((step * i) % 61) / 8 - 3 }
            }
            try parameters.publish()
            let expected = outputs()
            try parameters.withLayouts {
                #expect(parameters.store.parameters.allSatisfy { ($0.variable.layout != nil) == $0.isFactor })
                #expect(outputs() == expected)
            }
            #expect(parameters.store.parameters.allSatisfy { $0.variable.layout == nil })
            try world.barrier()
        }
    }

    /// The sums of all owners come together on rank 0.
    @Test(arguments: GroupedSumMPITests.groups) func gradientsAreCollected(largestGroup: Int?) throws {
        let parameters = try DistributedParameters(
            parameters(shapes), largestGroup: largestGroup, messageElements: 50, on: world)
        let gradients = parameters.store.gradients
        gradients.buffer.update(repeating: -1)
        for part in parameters.owned.parts { for i in part.elements { gradients.pointer[i] = Float(i) } }
        let all = try parameters.collectedGradients()
        #expect((all == nil) == (world.rank > 0))
        if let all { #expect(all.array == (0..<all.count).map(Float.init)) }
    }
}
