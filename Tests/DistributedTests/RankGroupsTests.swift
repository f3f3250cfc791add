import Distributed
import Testing

@Suite struct RankGroupsTests {
    /// The smallest group determines how many ranks of each sum gradients.
    @Test func groupsOfVeryDifferentSizesAreNamed() throws {
        for sizes in [[128], [64, 64, 64], [2, 1], [100, 64, 128]] { #expect(RankGroups.warning(sizes) == nil) }
        let warning = try #require(RankGroups.warning([128, 128, 2]))
        #expect(warning.hasPrefix("groups of ranks that share memory have 2 to 128 ranks, of which only 2 sum"))
    }
}
